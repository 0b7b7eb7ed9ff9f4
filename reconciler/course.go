package reconciler

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Course is how far an ordered rollout has come in its runbook. It is recorded
// with the orders that it is the reason for, before these go out (I32): whoever
// leads next goes on from here, and an action that has ended is never repeated. A
// Course is a value; it is replaced, never changed in place.
type Course struct {
	// ID is in the names of its steps' orders; no other Course has it.
	ID string `json:"id"`
	// Of tells which digest and which runbook it is the course of.
	Of string `json:"of"`
	// Part is 0 for what comes first, then the phases from 1 on, then what comes
	// last; one more is its end. Of a canary's checks, 1 is their end.
	Part int `json:"part"`
	// Turns are the slots that had their turn or have it now, in that order.
	Turns []Turn `json:"turns,omitempty"`
	// Tries are the newest of each step of the lists that are being walked.
	Tries []Try `json:"tries,omitempty"`
	// Failed is whether a step failed for good, or the rollout did otherwise: it is
	// not gone on with.
	Failed bool `json:"failed,omitempty"`
}

// Turn is one slot's way through its phase.
type Turn struct {
	Slot int      `json:"slot"`
	At   TurnPart `json:"at"`
}

// TurnPart is how far a slot is in its turn; it only goes forward.
type TurnPart string

// The parts of a turn.
const (
	TurnBefore TurnPart = "before"
	TurnChange TurnPart = "change"
	TurnAfter  TurnPart = "after"
	TurnEnd    TurnPart = "done"
)

// Try is one go at a step.
type Try struct {
	// List is "first", "before", "after" or "last", or "canary 1" for the checks of a
	// canary's first step; Slot is the one in its turn: −1 around the whole. Step
	// counts within the list from 0.
	List string `json:"list"`
	Slot int    `json:"slot"`
	Step int    `json:"step"`
	// Number counts the tries of the step from 1.
	Number int `json:"number"`
	// Order is the ID of its order on Node, and On the slot that it is about; −1
	// where it is about none.
	Order string `json:"order"`
	Node  string `json:"node"`
	On    int    `json:"on"`
	// State is how it stands.
	State TryState `json:"state"`
	// Began is when it was ordered, Ended when the server learned of its end.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended,omitzero"`
	// Code, Text and Output are the Outcome's.
	Code   int    `json:"code,omitempty"`
	Text   string `json:"text,omitempty"`
	Output string `json:"output,omitempty"`
}

// TryState is how a try stands.
type TryState string

// The states of a try. Unknown has ended, or may have, and nobody knows how.
const (
	TryOrdered TryState = "ordered"
	TryPassed  TryState = "passed"
	TryFailed  TryState = "failed"
	TryUnknown TryState = "unknown"
)

// around is the Slot of a try that is of no slot's turn.
const around = -1

func (c *Course) turn(slot int) *Turn {
	if i := slices.IndexFunc(c.Turns, func(t Turn) bool { return t.Slot == slot }); i >= 0 {
		return &c.Turns[i]
	}
	return nil
}

// ahead is whether a slot's turn may still come. One that was added once its phase
// was over has none to wait for: there is nothing that it replaces.
func (c *Course) ahead(w *schema.Workload, slot int) bool {
	phases := w.Update.Turns(w.Replicas)
	from := min(max(c.Part-1, 0), len(phases))
	return slices.ContainsFunc(phases[from:], func(ph schema.Phase) bool { return slices.Contains(ph.Slots, slot) })
}

func (c *Course) try(list string, slot, step int) *Try {
	if i := slices.IndexFunc(c.Tries, func(t Try) bool { return t.List == list && t.Slot == slot && t.Step == step }); i >= 0 {
		return &c.Tries[i]
	}
	return nil
}

// copy is one that may be changed.
func (c *Course) copy() *Course {
	d := *c
	d.Turns, d.Tries = slices.Clone(c.Turns), slices.Clone(c.Tries)
	return &d
}

// put replaces the step's try, or adds it.
func (c *Course) put(t Try) {
	if was := c.try(t.List, t.Slot, t.Step); was != nil {
		*was = t
		return
	}
	c.Tries = append(c.Tries, t)
}

// passed forgets the tries of a list whose last step has passed.
func (c *Course) passed(list string, slot int) {
	c.Tries = slices.DeleteFunc(c.Tries, func(t Try) bool { return t.List == list && t.Slot == slot })
}

// end takes in how a try ended.
func (t *Try) end(o *nodes.Outcome, at time.Time) {
	t.State, t.Ended, t.Code, t.Text, t.Output = TryFailed, at, o.ExitCode, o.Text, o.Output
	switch {
	case o.Passed:
		t.State = TryPassed
	case o.Unknown:
		t.State = TryUnknown
	}
}
