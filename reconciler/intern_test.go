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
		Rollouts: []reconciler.Rollout{{Began: minuteAgo, Moved: now.Add(time.Hour).Round(0), Resumed: minuteAgo}},
		Holds:    []reconciler.Hold{{Until: now.Add(time.Hour).Round(0)}},
		Cordons:  []reconciler.Cordon{{Deadline: now.Add(-time.Hour).Round(0)}, {}},
		Nodes:    []reconciler.NodeFact{{Assignment: nodes.Assignment{Orders: []nodes.Order{{Placed: minuteAgo}, {}}}}},
	}
	f.Anchor(now)
	orders := f.Nodes[0].Assignment.Orders
	for what, at := range map[string]time.Time{"seen": f.Commits[0].Seen, "began": f.Rollouts[0].Began, "placed": orders[0].Placed, "resumed": f.Rollouts[0].Resumed} {
		if age := now.Sub(at); age != time.Minute || at == at.Round(0) {
			t.Errorf("%s: %v old, %v", what, age, at)
		}
		if !at.Equal(minuteAgo) {
			t.Errorf("%s: the instant itself moved to %v", what, at)
		}
	}
	for what, at := range map[string]time.Time{"held until": f.Holds[0].Until, "drained by": f.Cordons[0].Deadline.Add(2 * time.Hour)} {
		if at.Sub(now) != time.Hour || at == at.Round(0) {
			t.Errorf("%s: in %v, %v", what, at.Sub(now), at)
		}
	}
	if !f.Cordons[1].Deadline.IsZero() {
		t.Error("no deadline became one")
	}
	if !f.Rollouts[0].Moved.Equal(now) || !orders[1].Placed.IsZero() {
		t.Errorf("the future: %v, never: %v", f.Rollouts[0].Moved, orders[1].Placed)
	}
}
