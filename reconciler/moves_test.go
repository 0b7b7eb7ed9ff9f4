package reconciler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// TestMoves_NodeJoins: what may be down for a moment is named for the node that
// joined, no more of it at once than may be; all else stays.
func TestMoves_NodeJoins(t *testing.T) {
	f := newFleet(t)
	f.add("n0", "a")
	f.round(time.Second)
	may := parseWorkload(t, []string{"a/may", "replicas=4"})
	may.Update.MaxUnavailable = schema.Amount{Count: 1}
	stays := parseWorkload(t, []string{"a/stays", "replicas=4"})
	stays.Update.MaxUnavailable = schema.Amount{}
	f.push([]schema.Workload{may, stays}, nil)
	f.atOnce(6)
	if got := reconciler.Moves(f.input(), 9); len(got) > 0 {
		t.Errorf("one node: %+v", got)
	}
	f.add("n1", "a")
	f.round(time.Second)
	got := reconciler.Moves(f.input(), 9)
	if len(got) != 1 || got[0].Slot.Workload != "a/may" || got[0].To != "n1" || got[0].Gain() <= 0 {
		t.Errorf("%s", fmt.Sprint(got))
	}
	if got := reconciler.Moves(f.input(), 0); len(got) > 0 {
		t.Errorf("no budget: %+v", got)
	}
	f.push([]schema.Workload{stays}, nil) // what is about to go anyway is not moved
	f.plan = reconciler.Reconcile(f.input())
	f.facts = f.plan.Facts
	for _, m := range reconciler.Moves(f.input(), 9) {
		t.Errorf("%+v", m)
	}
}
