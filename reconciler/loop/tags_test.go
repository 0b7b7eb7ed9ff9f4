package loop_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/testenv/memory"
)

// I16: what runs keeps what its tag meant; a workload that is new gets what the tag
// means by then, whether or not the server was restarted meanwhile.
func TestLoop_ATagThatMovedIsAskedAnewByANewWorkloadOnly(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		moved := "r/web:1@sha256:" + strings.Repeat("f", 64)
		c.Images.Set("r/web:1", moved)
		c.Engine.Image(moved)
		second := c.Repo.Push("two", "", "shop/api.cue", named("api", "r/web:1"), "shop/web.cue", web("r/web:1", "env: A: \"b\""))
		c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		facts, err := c.Ledger.Facts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{"shop/web": false, "shop/api": true} {
			if w := facts.Spec.Workload(name); (w.Pinned == moved) != want {
				t.Errorf("%s runs %s", name, w.Pinned)
			}
		}
	})
}
