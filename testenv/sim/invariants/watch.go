// Package invariants holds the decisions of a history against what is always true of
// them, by the numbers of INVARIANTS.md: all that a pure function can break, whoever
// plays the world around it.
package invariants

import (
	"encoding/json"

	"github.com/bayplan/bayplan/reconciler"
)

// Watch looks at every decision of one history, in their order. The zero value with a
// Fail is ready.
type Watch struct {
	// Fail is told what was broken; its text begins with the invariant's name. It does
	// not return.
	Fail func(format string, args ...any)
	// Same is how many decisions there are to one that is made twice, which costs
	// more than all else (I14); zero is never.
	Same int

	checks int
	// replaced are orders to stop whose slots may have another home, as their nodes
	// were lost.
	replaced map[string]bool
	arrived  map[string]arrival
	// been are the slots that were ordered on nodes, "slot on node".
	been map[string]bool
	past history
}

// history is what was ever recorded of runs, however little the facts keep.
type history struct {
	completed map[string]bool // "workload run slot"
	begun     map[string]bool // "workload run"
	live      map[string]bool // the runs of the newest facts
}

// check is one decision being looked at.
type check struct {
	w  *Watch
	in *reconciler.Input
	p  *reconciler.Plan
}

// Check looks at the decision that in led to.
func (w *Watch) Check(in reconciler.Input, p *reconciler.Plan) {
	if w.replaced == nil {
		w.replaced, w.arrived = map[string]bool{}, map[string]arrival{}
		w.been = map[string]bool{}
		w.past = history{completed: map[string]bool{}, begun: map[string]bool{}, live: map[string]bool{}}
	}
	c := &check{w, &in, p}
	if w.checks++; w.Same > 0 && w.checks%w.Same == 1 {
		c.checkSame(in, p)
	}
	c.checkShape(in, p)
	c.checkRoom(p)
	c.checkLimits(p)
	c.checkStops(in, p)
	c.checkDown(in, p)
	c.checkWriters(in, p)
	c.checkDeletions(in, p)
	c.checkCordons(in, p)
	c.checkHolds(in, p)
	c.checkCompleted(in, p)
	c.checkBegun(p)
	c.checkDone(p)
}

func (c *check) fail(format string, args ...any) { c.w.Fail(format, args...) }

// text is v as people read it in a report.
func text(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("invariants: what is decided is always JSON: " + err.Error())
	}
	return b
}

// throughLedger are facts as a ledger gives them back.
func throughLedger(facts reconciler.Facts) (back reconciler.Facts) {
	if err := json.Unmarshal(text(facts), &back); err != nil {
		panic("invariants: facts are always JSON: " + err.Error())
	}
	back.Intern()
	return back
}
