package agent_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// reaching is a Runtime that reaches registries by itself, and has images.
type reaching struct {
	agent.Runtime
	told  [][]schema.Registry
	asked []time.Duration
}

func (r *reaching) UseRegistries(all []schema.Registry) { r.told = append(r.told, all) }

func (r *reaching) Images(context.Context) ([]nodes.Image, error) {
	return []nodes.Image{{Digest: "d"}}, nil
}

func (r *reaching) PruneImages(_ context.Context, unusedFor time.Duration) (nodes.Pruned, error) {
	r.asked = append(r.asked, unusedFor)
	return nodes.Pruned{Layers: 1}, nil
}

// The cluster's settings reach the runtime once, and an agent that starts
// without a server has those that were in force.
func TestSettle_IsUsedAndOutlivesTheAgent(t *testing.T) {
	onMachine(t, func(m *machine) {
		r := &reaching{Runtime: m.cfg.Runtime}
		m.stop()
		m.cfg.Runtime = r
		m.start()
		s := nodes.Settings{Registries: []schema.Registry{{Name: "docker.io", Mirrors: []string{"m.example"}}}}
		m.agent.Settle(s)
		m.agent.Settle(s)
		m.assign()
		time.Sleep(time.Minute)
		synctest.Wait()
		m.stop()
		m.start()
		if len(r.told) != 3 || len(r.told[0]) != 0 || len(r.told[1]) != 1 || len(r.told[2]) != 1 || r.told[2][0].Mirrors[0] != "m.example" {
			t.Errorf("told %+v", r.told)
		}
		m.agent.Settle(nodes.Settings{})
		if n := len(r.told); n != 4 || len(r.told[3]) != 0 {
			t.Errorf("told %+v", r.told)
		}
	})
}

func TestImages_AreTheRuntimes(t *testing.T) {
	onMachine(t, func(m *machine) {
		if _, err := m.agent.Images(t.Context()); err == nil {
			t.Error("a runtime without images told of some")
		}
		if _, err := m.agent.PruneImages(t.Context(), 0); err == nil {
			t.Error("a runtime without images pruned some")
		}
		r := &reaching{Runtime: m.cfg.Runtime}
		m.stop()
		m.cfg.Runtime = r
		m.start()
		if all, err := m.agent.Images(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("got %+v, %v", all, err)
		}
		if p, err := m.agent.PruneImages(t.Context(), time.Hour); err != nil || p.Layers != 1 {
			t.Errorf("got %+v, %v", p, err)
		}
		if _, err := m.agent.PruneImages(t.Context(), -1); err == nil || len(r.asked) != 1 || r.asked[0] != time.Hour {
			t.Errorf("asked for %v, %v", r.asked, err)
		}
	})
}
