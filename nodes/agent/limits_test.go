package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

func TestAgent_SaysNoMoreThanTheServerTakes(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Fault("start", func(context.Context, string) error { return errors.New(strings.Repeat("no ", 1<<20)) })
		m.assign("t/web.0@a")
		if f := m.wantFailure("t/web.0@a", nodes.StartFailed); len(f.Text) != nodes.MaxText {
			t.Errorf("a text of %d bytes", len(f.Text))
		}
		m.stop()
		m.cfg.Attributes = map[string]string{"a": strings.Repeat("x", nodes.MaxAttributeBytes)}
		if _, err := agent.New(m.cfg); err == nil || !strings.Contains(err.Error(), "attributes of 16385 bytes") {
			t.Errorf("got %v", err)
		}
		m.cfg.Attributes = nil
		m.start()
	})
}
