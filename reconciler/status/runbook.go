package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Runbook is where an ordered update stands, or stood when it failed, or a canary
// in the checks of its step.
type Runbook struct {
	// Part is "first", the phase, "last" or "done"; the only phase of a runbook
	// that names none is "slots". Of a canary's first step it is "canary 1".
	Part string `json:"part"`
	// Text is the whole in one sentence.
	Text string `json:"text"`
	// Turns are the slots that had their turn or have it, in that order.
	Turns []RunbookTurn `json:"turns"`
	// Steps are the newest tries of those under way, the one that is not over last.
	Steps []RunbookStep `json:"steps"`
}

// RunbookTurn is a slot and how far it is: "before", "change", "after" or "done".
type RunbookTurn struct {
	Slot string `json:"slot"`
	At   string `json:"at"`
}

// RunbookStep is one step and how its newest try stands.
type RunbookStep struct {
	Name string `json:"name"`
	// List is "first", "before", "after", "last" or "canary 1", Slot the one in its
	// turn.
	List string `json:"list"`
	Slot string `json:"slot,omitempty"`
	Kind string `json:"kind"`
	Node string `json:"node"`
	// Try counts from 1, Tries are how many there may be.
	Try   int `json:"try"`
	Tries int `json:"tries"`
	// State is "ordered", "passed", "failed" or "unknown", since Since.
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// ExitCode, Text and Output are what came of it.
	ExitCode int    `json:"exitCode,omitempty"`
	Text     string `json:"text,omitempty"`
	Output   string `json:"output,omitempty"`
}

// runbookOf is where a rollout's runbook stands; nil where it follows none,
// came to its end or went back.
func runbookOf(r *reconciler.Rollout) *Runbook {
	c := r.Course
	if c == nil || r.Want == nil || r.Stage == reconciler.Done || r.Stage == reconciler.Reverted || r.Stage == reconciler.Removing {
		return nil
	}
	canary := r.Want.Update.Strategy == schema.Canary
	if canary && (c.Part > 0 || len(c.Tries) == 0) {
		return nil
	}
	b := &Runbook{Part: partOf(r.Want, c.Part), Turns: []RunbookTurn{}, Steps: []RunbookStep{}}
	if canary {
		b.Part = fmt.Sprintf("canary %d", r.Step+1)
	}
	for _, t := range c.Turns {
		b.Turns = append(b.Turns, RunbookTurn{schema.Slot{Workload: r.Workload, Index: t.Slot}.String(), string(t.At)})
	}
	var open []RunbookStep
	for i := range c.Tries {
		s := stepStatus(r, &c.Tries[i])
		if s.State == string(reconciler.TryPassed) {
			b.Steps = append(b.Steps, s)
		} else {
			open = append(open, s)
		}
	}
	b.Steps = append(b.Steps, open...)
	b.Text = b.sentence()
	return b
}

func partOf(w *schema.Workload, part int) string {
	phases := w.Update.Turns(w.Replicas)
	switch {
	case part == 0:
		return "first"
	case part > len(phases)+1:
		return "done"
	case part > len(phases):
		return "last"
	case phases[part-1].Name == "":
		return "slots"
	}
	return phases[part-1].Name
}

func stepStatus(r *reconciler.Rollout, t *reconciler.Try) RunbookStep {
	s := RunbookStep{Name: fmt.Sprint(t.Step), List: t.List, Node: t.Node, Try: t.Number, Tries: t.Number, State: string(t.State), Since: t.Began,
		ExitCode: t.Code, Text: t.Text, Output: t.Output}
	if t.Slot >= 0 {
		s.Slot = schema.Slot{Workload: r.Workload, Index: t.Slot}.String()
	}
	if text := reconciler.StepOf(r.Want, t); text != nil {
		s.Name, s.Kind, s.Tries = text.Name, string(text.Kind), max(text.Retries+1, t.Number)
	}
	if !t.Ended.IsZero() {
		s.Since = t.Ended
	}
	return s
}

// sentence tells the part, the slots in their turns and the step that is open.
func (b *Runbook) sentence() string {
	text := b.Part
	if !strings.HasPrefix(b.Part, "canary ") {
		text = "runbook: " + text
	}
	for _, t := range b.Turns {
		if t.At != string(reconciler.TurnEnd) {
			text += ", " + t.Slot + " " + turnWord(t.At)
		}
	}
	if n := len(b.Steps); n > 0 {
		text += ": " + b.Steps[n-1].Sentence()
	}
	return text
}

func turnWord(at string) string {
	switch reconciler.TurnPart(at) {
	case reconciler.TurnBefore:
		return "before its change"
	case reconciler.TurnChange:
		return "is changed"
	}
	return "after its change"
}

// Sentence is the step and how it stands, with the end of what it wrote.
func (s *RunbookStep) Sentence() string {
	text := "step " + s.Name
	if s.Node != "" {
		text += " on " + s.Node
	}
	if s.Tries > 1 {
		text += fmt.Sprintf(", try %d of %d", s.Try, s.Tries)
	}
	switch s.State {
	case string(reconciler.TryOrdered):
		return text + " is under way"
	case string(reconciler.TryUnknown):
		text += " has no known end"
	default:
		text += " " + s.State
	}
	if s.Text != "" {
		text += ": " + s.Text
	}
	if out := strings.TrimSpace(s.Output); out != "" {
		text += ": " + out[strings.LastIndexByte(out, '\n')+1:]
	}
	return text
}

// courseEvents tells of steps that ended. One whose list is over by now is not
// recorded any more: it has passed.
func courseEvents(before, after *reconciler.Rollout, at time.Time) (events []Event) {
	if after.Course == nil || after.Want == nil || before == nil || before.Course == nil || before.Course == after.Course || before.Course.ID != after.Course.ID {
		return nil
	}
	for i := range before.Course.Tries {
		t := before.Course.Tries[i]
		if t.State != reconciler.TryOrdered {
			continue
		}
		if now := findTry(after.Course, t.Order); now == nil {
			t.State = reconciler.TryPassed
		} else if t = *now; t.State == reconciler.TryOrdered {
			continue
		}
		s := stepStatus(after, &t)
		events = append(events, Event{Time: at, Kind: "rollout", Workload: after.Workload, Slot: s.Slot, Node: t.Node, Commit: after.Commit,
			Text: fmt.Sprintf("%s: %s, %s", cmp.Or(s.Slot, after.Workload), s.List, s.Sentence())})
	}
	return events
}

func findTry(c *reconciler.Course, order string) *reconciler.Try {
	for i := range c.Tries {
		if c.Tries[i].Order == order {
			return &c.Tries[i]
		}
	}
	return nil
}
