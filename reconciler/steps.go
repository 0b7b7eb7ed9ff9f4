package reconciler

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
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
	next.Number = last.Number + 1
	k.begins(next, s)
	return false
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

// StepOf is the text of a try's step; nil where the runbook has none such.
func StepOf(w *schema.Workload, t *Try) *schema.Step {
	b := w.Update.Runbook
	if b == nil {
		return nil
	}
	var list []schema.Step
	switch t.List {
	case "first":
		list = b.First
	case "last":
		list = b.Last
	default:
		for _, ph := range w.Update.Turns(max(w.Replicas, t.Slot+1)) {
			if !slices.Contains(ph.Slots, t.Slot) {
				continue
			}
			if list = ph.Before; t.List == string(TurnAfter) {
				list = ph.After
			}
		}
	}
	if t.Step >= len(list) {
		return nil
	}
	return &list[t.Step]
}

// wordMargin is how long the word of a step's end may take beside its timeout,
// the agent's own deadline.
const wordMargin = time.Minute

// tryEnds is when a try that has not ended counts as lost. A container of its own
// is pulled and started first.
func (p *pass) tryEnds(goal *schema.Workload, s *schema.Step, t *Try) time.Time {
	if t.State != TryOrdered {
		return p.watched(t.Ended).Add(s.Interval.D() + wordMargin)
	}
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
			k.changed = true
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
		return e.inst.Outcome
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

// begins orders a try: on the node of the instance that it is about, or, for a
// container of its own about none, wherever there is room.
func (k *walker) begins(t Try, s *schema.Step) {
	var on *entry
	if t.On != around {
		if on = k.runs(t.On); on == nil {
			k.wait("runbook-waits", fmt.Sprintf("%s waits for %s, which does not run", k.name(&t), k.slot(t.On)), k.explain(t.On))
			return
		}
	}
	digest := schema.Digest(shortHash(k.c.ID, t.List, strconv.Itoa(t.Slot), strconv.Itoa(t.Step), strconv.Itoa(t.Number)))
	what := &nodes.Step{Name: k.label(&t, s), Timeout: s.Timeout}
	if s.Run != nil {
		k.asksForRoom(t, s, what, on, digest)
		return
	}
	what.On, what.Exec, what.HTTP, what.TCP = on.order.ID, s.Exec, s.HTTP, s.TCP
	o := nodes.Order{Slot: on.order.Slot, Digest: digest, Step: what}
	k.c.put(k.p.orderStep(k.i, on.node, o, t))
	k.changed = true
}

// label is the step of a try for who reads its order.
func (k *walker) label(t *Try, s *schema.Step) string {
	text := t.List + " " + s.Name
	if t.Slot != around {
		text += " of " + k.slot(t.Slot)
	}
	if t.Number > 1 {
		text += fmt.Sprintf(", try %d", t.Number)
	}
	return text
}

// runs is the instance of a slot that runs now, the wanted one before another.
func (k *walker) runs(slot int) *entry {
	m := k.mark(slot)
	for _, e := range []*entry{m.current, m.old} {
		if e != nil && k.p.told(e) && e.inst != nil && e.inst.Phase == nodes.Running {
			return e
		}
	}
	return nil
}

// orderStep makes the order of a try, and is the try as it is to be recorded.
func (p *pass) orderStep(i int, node int32, o nodes.Order, t Try) Try {
	o.ID = nodes.InstanceID(o.Slot, o.Digest)
	o.Reason, o.Commit, o.Placed, o.Trace = nodes.RunbookStep, p.facts.Rollouts[i].Commit, p.in.Now, p.in.Trace
	p.edit(edit{node: node, order: o})
	p.changes = append(p.changes, Change{Slot: o.Slot, Node: p.nodes[node].fact.Name, Digest: o.Digest, Reason: o.Reason, Why: o.Step.Name})
	t.Order, t.Node, t.State, t.Began = o.ID, p.nodes[node].fact.Name, TryOrdered, p.in.Now
	return t
}

// oneStep is a want that is for a step's own container.
type oneStep struct {
	try  Try
	step *nodes.Step
}

// asksForRoom asks for a place for a step's own container: beside the instance
// that it is about. Two for one slot do not ask in one pass, since places are
// told apart by slots.
func (k *walker) asksForRoom(t Try, s *schema.Step, what *nodes.Step, on *entry, digest schema.Digest) {
	slot := schema.Slot{Workload: k.goal.Name, Index: max(t.On, 0)}
	if slices.ContainsFunc(k.p.wants, func(w want) bool { return w.request.Slot == slot }) {
		return
	}
	text := oneShot(k.goal, s.Run)
	r := scheduler.Request{Slot: slot, Workload: text}
	if on != nil {
		n := k.p.nodes[on.node].fact
		r.Only, text.Constraints = n.Name, nil
		maps.Copy(text.Env, nodes.Target(on.order.Slot, n.Node.Address, on.order.Ports))
	}
	k.p.wants = append(k.p.wants, want{version: version{text, digest}, request: r, rollout: k.i, inTurn: true, step: &oneStep{t, what}})
}

// What a step's own container reserves.
const (
	stepCPU    = schema.CPU(50)
	stepMemory = schema.Bytes(64 << 20)
	stepPids   = 1024
)

// oneShot is the text of a step's own container.
func oneShot(goal *schema.Workload, run *schema.OneShot) *schema.Workload {
	w := &schema.Workload{Name: goal.Name, Kind: schema.Service, Image: run.Image, Pinned: run.Pinned,
		Command: run.Command, Args: run.Args, Env: map[string]string{}, User: run.User, Replicas: 1, Network: schema.Bridge,
		Resources: schema.Resources{CPU: stepCPU, Memory: stepMemory, Limit: schema.Limits{Pids: stepPids}},
		Restart:   schema.Restart{Policy: "never", Backoff: schema.Duration(time.Second), MaxBackoff: schema.Duration(time.Minute)},
		Stop:      goal.Stop, Pool: goal.Pool, Tolerates: goal.Tolerates, Constraints: goal.Constraints, LostAfter: goal.LostAfter, Update: schema.Update{Strategy: "recreate"}}
	maps.Copy(w.Env, run.Env)
	if run.Image == "" {
		w.Image, w.Pinned, w.Artifact, w.Java = goal.Image, goal.Pinned, goal.Artifact, goal.Java
	}
	return w
}

// stepPlaced orders a step's own container where it has a place.
func (p *pass) stepPlaced(w *want, node int32) {
	o := nodes.Order{Slot: w.request.Slot, Digest: w.digest, Workload: w.text, Step: w.step.step}
	c := p.facts.Rollouts[w.rollout].Course.copy()
	c.put(p.orderStep(w.rollout, node, o, w.step.try))
	p.setCourse(w.rollout, c)
}

// stepEntries are those of steps, of all workloads.
func (p *pass) stepEntries() []entry {
	k := len(p.facts.Rollouts)
	return p.sorted[p.starts[k+1]:p.starts[k+2]]
}

func (p *pass) stepEntry(t *Try) *entry {
	all := p.stepEntries()
	for i := range all {
		if e := &all[i]; e.order.ID == t.Order && p.nodes[e.node].fact.Name == t.Node {
			return e
		}
	}
	return nil
}

// stepsUnderWay names a step of the i-th rollout's workload that may be under way
// on its node and is none of the course's; "" for none.
func (p *pass) stepsUnderWay(i int, of *Course) string {
	all := p.stepEntries()
	for j := range all {
		e := &all[j]
		ended := e.inst != nil && e.inst.Outcome != nil || p.gone(e) || p.lost(&p.nodes[e.node], nil)
		if e.order.Slot.Workload == p.facts.Rollouts[i].Workload && !ended && !of.has(e.order.ID) {
			return "step " + e.order.Step.Name
		}
	}
	return ""
}

// has is whether the order is of a try that has not ended.
func (c *Course) has(order string) bool {
	return c != nil && !c.Failed && slices.ContainsFunc(c.Tries, func(t Try) bool { return t.Order == order && t.State == TryOrdered })
}

// tidySteps ends the orders of steps that have ended, or that nobody waits for
// any more.
func (p *pass) tidySteps() {
	all := p.stepEntries()
	for i := range all {
		e := &all[i]
		switch r := p.rollout(e.order.Slot.Workload); {
		case e.order.Stop:
			p.forgetIfGone(e)
		case r == nil || r.Stage != Rolling || !r.Course.has(e.order.ID) || r.Course.Of != p.outcome[p.byName[r.Workload]].course:
			o := *e.order
			o.Stop, o.Trace = true, p.in.Trace
			p.edit(edit{node: e.node, order: o})
		}
	}
}
