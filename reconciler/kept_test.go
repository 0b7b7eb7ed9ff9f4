package reconciler_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// I35: of a job with many slots the newest ended containers are kept, and the room
// of those that have ended is free for the others all along.
func TestReconcile_KeepsABoundedNumberOfEndedContainers(t *testing.T) {
	f := newFleet(t)
	f.add("n0", "a")
	f.add("n1", "a")
	f.round(time.Second)
	f.push([]schema.Workload{parseWorkload(t, []string{"a/one", "kind=job", "image=1", "completions=150", "parallelism=20"})}, []schema.Team{{Name: "a"}})
	f.pass()
	most := 0
	for range 100 {
		f.round(time.Second)
		kept := 0
		for i := range f.facts.Nodes {
			n := &f.facts.Nodes[i]
			for k := range n.Assignment.Orders {
				if o := &n.Assignment.Orders[k]; !o.Stop && f.facts.Ended(n.Name, o) {
					kept++
				}
			}
		}
		most = max(most, kept)
	}
	if c := f.commit(); c.Outcome != reconciler.Applied || most != reconciler.MaxKept {
		t.Errorf("%s: %s, with at most %d kept, want %d", c.Outcome, c.Reason, most, reconciler.MaxKept)
	}
}
