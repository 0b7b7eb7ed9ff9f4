package reconciler_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
)

// TestFacts_AnchoredTimesAgeByTheMonotonicClock is I23 for deadlines that
// outlive a server.
func TestFacts_AnchoredTimesAgeByTheMonotonicClock(t *testing.T) {
	now := time.Now()
	minuteAgo := now.Add(-time.Minute).Round(0) // as JSON gives it back
	f := reconciler.Facts{
		Commits:  []reconciler.Commit{{Seen: minuteAgo}},
		Rollouts: []reconciler.Rollout{{Began: minuteAgo, Moved: now.Add(time.Hour).Round(0)}},
		Nodes:    []reconciler.NodeFact{{Assignment: nodes.Assignment{Orders: []nodes.Order{{Placed: minuteAgo}, {}}}}},
	}
	f.Anchor(now)
	orders := f.Nodes[0].Assignment.Orders
	for what, at := range map[string]time.Time{"seen": f.Commits[0].Seen, "began": f.Rollouts[0].Began, "placed": orders[0].Placed} {
		if age := now.Sub(at); age != time.Minute || at == at.Round(0) {
			t.Errorf("%s: %v old, %v", what, age, at)
		}
		if !at.Equal(minuteAgo) {
			t.Errorf("%s: the instant itself moved to %v", what, at)
		}
	}
	if !f.Rollouts[0].Moved.Equal(now) || !orders[1].Placed.IsZero() {
		t.Errorf("the future: %v, never: %v", f.Rollouts[0].Moved, orders[1].Placed)
	}
}
