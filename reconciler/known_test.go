package reconciler_test

import (
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/sim/invariants"
)

// What the invariants look things up with, under the names that tests know.
var (
	nodeFact, rolloutOf, goalOf, orderOf = invariants.NodeFact, invariants.RolloutOf, invariants.GoalOf, invariants.OrderOf
	volumeFact, keepsVolumes             = invariants.VolumeFact, invariants.KeepsVolumes
	attemptKey, eachSlot, wantedSlots    = invariants.AttemptKey, invariants.EachSlot, invariants.WantedSlots
)

type view = invariants.View

// live are the orders of facts that are not to stop, by slot.
func (f *fleet) live(facts *reconciler.Facts) map[schema.Slot][]view {
	in := f.input()
	return invariants.Live(&in, facts)
}
