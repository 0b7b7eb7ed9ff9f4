package reconciler_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// I1: of the two versions that a slot has on a node that is being drained, the one
// that has the traffic goes last, whichever comes first by name.
func TestReconcile_DrainKeepsWhatHasTheTraffic(t *testing.T) {
	for _, images := range [][]string{{"image=1", "image=2"}, {"image=2", "image=1"}} {
		f := newFleet(t)
		f.add("n0", "a")
		f.round(time.Second)
		for _, image := range images {
			f.push([]schema.Workload{parseWorkload(t, []string{"shop/web", image, "replicas=1", "soak=1h"})}, []schema.Team{{Name: "shop"}})
			f.pass()
			f.rounds(10)
		}
		traffic := f.facts.Rollouts[0].Serving
		for _, w := range []reconciler.Wish{{Verb: reconciler.DrainNode, Of: "n0"}, {Verb: reconciler.AbortWorkload, Of: "shop/web"}} {
			if !f.wish(w) {
				t.Fatal(w.Verb)
			}
		}
		n := nodeFact(&f.facts, "n0")
		if len(n.Assignment.Orders) != 2 {
			t.Fatalf("%d orders", len(n.Assignment.Orders))
		}
		for _, o := range n.Assignment.Orders {
			if o.Digest == traffic && o.Stop {
				t.Errorf("%s has the traffic and is told to stop: %s", o.ID, o.Reason)
			}
		}
	}
}
