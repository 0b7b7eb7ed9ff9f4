package agent_test

import (
	"context"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// telling is an engine that tells how far its pulls are after some seconds.
type telling struct {
	agent.Runtime
	began time.Time
}

func (r *telling) Fetched(image string) (nodes.Fetched, bool) {
	return nodes.Fetched{Done: 1, Total: 100}, image == "web:a" && time.Since(r.began) > 5*time.Second
}

// A pull that takes its time shows how far it is, and nothing of that once it is
// over.
func TestAgent_TellsHowFarAPullIs(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.stop()
		done := make(chan struct{})
		m.Fault("pull", func(ctx context.Context, _ string) error {
			select {
			case <-done:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		m.cfg.Runtime = &telling{m.cfg.Runtime, time.Now()}
		m.start()
		m.assign("t/web.0@a")
		m.pass(4 * time.Second)
		if i := m.instance("t/web.0@a"); i.Phase != nodes.Pulling || i.Fetched != nil {
			t.Errorf("before the engine knows: %+v", i)
		}
		m.pass(4 * time.Second)
		if i := m.instance("t/web.0@a"); i.Fetched == nil || i.Fetched.Total != 100 {
			t.Errorf("while it is pulled: %+v", i)
		}
		close(done)
		m.pass(time.Second)
		if i := m.instance("t/web.0@a"); i.Phase != nodes.Running || i.Fetched != nil {
			t.Errorf("once it is there: %+v", i)
		}
	})
}
