package loop_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/memory"
)

// What the operators' part says of registries goes to every node; while it does
// not evaluate, and over a restart of the server, what was in force stays (I13).
func TestLoop_NodesAreToldOfRegistries(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		settled := func(what string, want ...schema.Registry) {
			t.Helper()
			got := c.Settings()
			if !got.Equal(&nodes.Settings{Registries: want}) {
				t.Errorf("%s: %+v", what, got)
			}
		}
		mirrored := schema.Registry{Name: "docker.io", Mirrors: []string{"m.example"}}
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""), "cluster.cue", `cluster: registries: "docker.io": mirrors: ["m.example"]`)
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		settled("applied", mirrored)
		broken := c.Repo.Push("broken", "", "cluster.cue", `cluster: registries: "docker.io": mirrors: ["ann:pw@m.example"]`)
		c.Await(time.Minute, "failed", ended(broken, reconciler.Failed))
		settled("while it does not evaluate", mirrored)
		c.StopServer()
		c.StartServer()
		c.Await(time.Minute, "back", ended(broken, reconciler.Failed))
		settled("after a restart", mirrored)
		without := c.Repo.Push("without", "", "cluster.cue", `cluster: {}`)
		c.Await(time.Minute, "without effect", ended(without, reconciler.NoEffect))
		settled("taken out")
	})
}
