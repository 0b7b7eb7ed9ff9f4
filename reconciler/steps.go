package reconciler

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// list is whether all of its steps have passed: one after the other, but for
// those that go together.
func (k *walker) list(name string, slot int, steps []schema.Step) bool {
	for from := 0; from < len(steps); {
		to := from + 1
		for to < len(steps) && steps[to].Together {
			to++
		}
		all := true
		for j := from; j < to; j++ {
			all = k.step(name, slot, j, &steps[j]) && all
		}
		if !all {
			return false
		}
		from = to
	}
	k.c.passed(name, slot)
	return true
}

// step is whether a step has passed; one that is due is ordered.
func (k *walker) step(list string, slot, at int, s *schema.Step) bool {
	last := k.c.try(list, slot, at)
	next := Try{List: list, Slot: slot, Step: at, Number: 1, On: slot}
	if s.Slot != nil {
		next.On = *s.Slot
	}
	switch {
	case last == nil:
		k.begins(next, s)
		return false
	case last.State == TryPassed:
		return true
	case last.State == TryOrdered:
		k.p.wakeAt(k.p.tryEnds(k.goal, s, last))
		return false
	case !s.Again(last.Number, last.State == TryUnknown):
		k.fails(last, s)
		return false
	}
	k.wait("step-failing", k.name(last)+" "+tryEnd(last), "see what it tells: bayplan rollout "+k.goal.Name)
	if due := k.p.watched(last.Ended).Add(s.Interval.D()); due.After(k.p.in.Now) {
		k.p.wakeAt(due)
		return false
	}
	if k.stands() {
		return false
	}
	next.Number = last.Number + 1
	k.begins(next, s)
	return false
}

// stands is whether the rollout got no further for as long as it may: nothing is
// tried again.
func (k *walker) stands() bool {
	end := k.p.watched(k.p.facts.Rollouts[k.i].Moved).Add(k.goal.Update.ProgressDeadline.D())
	return !k.moved && !end.After(k.p.in.Now)
}

// fails ends the rollout by a step, and tells the cause.
func (k *walker) fails(t *Try, s *schema.Step) {
	text := k.name(t)
	if t.Number > 1 || s.Retries > 0 {
		text += fmt.Sprintf(", try %d of %d,", t.Number, s.Retries+1)
	}
	k.p.outcome[k.i].failure = text + " " + tryEnd(t)
}

// name is the step of a try, for people.
func (k *walker) name(t *Try) string {
	name := strconv.Itoa(t.Step)
	if s := StepOf(k.goal, t); s != nil {
		name = s.Name
	}
	text := fmt.Sprintf("step %s (%s)", name, t.List)
	if t.Slot != around {
		text += " of " + k.slot(t.Slot)
	}
	if t.Node != "" {
		text += " on " + t.Node
	}
	return text
}

// endLines is how many of the last lines of its output a sentence tells.
const endLines = 3

// tryEnd is how a try ended, in words, with its last lines.
func tryEnd(t *Try) string {
	text := "failed"
	switch {
	case t.State == TryUnknown:
		text = "has no known end"
	}
	if t.Text != "" {
		text += ": " + t.Text
	}
	if lines := strings.Split(strings.TrimSpace(t.Output), "\n"); lines[0] != "" {
		text += ": " + strings.Join(lines[max(0, len(lines)-endLines):], " / ")
	}
	return nodes.CutText(text)
}

// StepOf is the text of a try's step; nil where the update has none such.
func StepOf(w *schema.Workload, t *Try) *schema.Step {
	list := stepsOf(w, t)
	if t.Step >= len(list) {
		return nil
	}
	return &list[t.Step]
}

// stepsOf is the list that a try is of.
func stepsOf(w *schema.Workload, t *Try) (list []schema.Step) {
	b := w.Update.Runbook
	switch {
	case strings.HasPrefix(t.List, checkPrefix):
		return checksIn(&w.Update, t.List)
	case b == nil:
		return nil
	case t.List == "first":
		return b.First
	case t.List == "last":
		return b.Last
	}
	for _, ph := range w.Update.Turns(max(w.Replicas, t.Slot+1)) {
		if !slices.Contains(ph.Slots, t.Slot) {
			continue
		}
		if list = ph.Before; t.List == string(TurnAfter) {
			list = ph.After
		}
	}
	return list
}

// wordMargin is how long the word of a step's end may take beside its timeout,
// the agent's own deadline.
const wordMargin = time.Minute

// tryEnds is when a try that is under way counts as lost. A container of its own is
// pulled and started first.
func (p *pass) tryEnds(goal *schema.Workload, s *schema.Step, t *Try) time.Time {
	limit := s.Timeout.D() + wordMargin
	if s.Run != nil {
		limit += goal.Update.HealthyDeadline.D()
	}
	return p.watched(t.Began).Add(limit)
}

// hear takes in how tries ended.
func (k *walker) hear() {
	for i := range k.c.Tries {
		t := &k.c.Tries[i]
		if t.State != TryOrdered {
			continue
		}
		if o := k.outcome(t); o != nil {
			t.end(o, k.p.in.Now)
			k.changed, k.moved = true, k.moved || o.Passed
		}
	}
}

// outcome is how a try ended; nil while that is to come. What a node that is lost
// was doing nobody knows.
func (k *walker) outcome(t *Try) *nodes.Outcome {
	e := k.p.stepEntry(t)
	if e == nil {
		return &nodes.Outcome{Unknown: true, Text: "its order is gone"}
	}
	if e.inst != nil && e.inst.Outcome != nil {
		if o := e.inst.Outcome; o.Passed || !k.ahead || k.asked(t) {
			return o
		}
		return &nodes.Outcome{Unknown: true, Text: k.slot(t.On) + " has left " + t.Node}
	}
	if k.p.lost(&k.p.nodes[e.node], k.goal) {
		return &nodes.Outcome{Unknown: true, Text: "node " + t.Node + " is lost"}
	}
	s := StepOf(k.goal, t)
	if s == nil || k.p.tryEnds(k.goal, s, t).After(k.p.in.Now) {
		return nil
	}
	o := &nodes.Outcome{Unknown: true, Text: "no word of its end within " + s.Timeout.String()}
	if e.inst != nil && e.inst.Failure != nil {
		o.Text += ": " + e.inst.Failure.Text
	}
	return o
}
