package reconciler_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// A workload that is scaled to nothing has no slot that goes ahead, and nothing is
// asked of it.
func TestReconcile_ChecksOfNothing(t *testing.T) {
	f := newFleet(t)
	f.add("n0", "a")
	f.round(time.Second)
	for _, image := range []string{"image=1", "image=2"} {
		f.push([]schema.Workload{parseWorkload(t, []string{"shop/web", "replicas=0", image, "canary=1", "checks=1:smoke"})}, nil)
		f.rounds(5)
		if c := f.commit(); c.Outcome != reconciler.Applied {
			t.Fatalf("%s: %s: %s", image, c.Outcome, c.Reason)
		}
	}
}
