package reconciler

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// Plan is what a pass decided. A pass that finds all well changes nothing: no
// Changes, no Assignments, Facts equal to the Input's.
type Plan struct {
	// Changes are the steps taken now, sorted by slot.
	Changes []Change
	// Assignments are the new ones of the nodes whose orders changed, sorted by
	// node; all others stay in force.
	Assignments []nodes.Assignment
	// Facts are to be recorded before the Assignments are delivered.
	Facts Facts
	// FactsChanged is whether Facts differ from the Input's.
	FactsChanged bool
	// Blocked is what wants to go on and cannot, sorted by workload, with why.
	Blocked []Blocked
	// Wake is the next instant at which a pass could decide otherwise on the
	// same input; zero is never.
	Wake time.Time
}

// Change is one step: an instance placed or stopped, and why.
type Change struct {
	Slot   schema.Slot
	Node   string
	Digest schema.Digest
	Stop   bool
	Reason nodes.Reason
	// Score tells how the place was chosen; empty for a stop.
	Score scheduler.Score
}

// Blocked is one thing that waits, with its cause and what to do.
type Blocked struct {
	Workload string
	// Slot is the one that waits; its Workload is empty where all do.
	Slot schema.Slot
	Code string
	Text string
	// Next is what a person can do about it; may be empty.
	Next string
	// Why is set where the scheduler found no place.
	Why *scheduler.Why
}
