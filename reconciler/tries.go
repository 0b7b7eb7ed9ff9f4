package reconciler

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

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
	if k.ahead {
		return k.running(slot)
	}
	m := k.mark(slot)
	for _, e := range []*entry{m.current, m.old} {
		if e != nil && k.p.runsNow(e) {
			return e
		}
	}
	return nil
}

// runsNow is whether the entry's node says that it runs.
func (p *pass) runsNow(e *entry) bool {
	return p.told(e) && e.inst != nil && e.inst.Phase == nodes.Running
}

// orderStep makes the order of a try, and is the try as it is to be recorded.
func (p *pass) orderStep(i int, node int32, o nodes.Order, t Try) Try {
	o.ID = nodes.InstanceID(o.Slot, o.Digest)
	o.Reason, o.Commit, o.Placed, o.Trace = nodes.RunbookStep, p.facts.Rollouts[i].Commit, p.in.Now, p.traceFor(o.Slot.Workload)
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

// follows is whether the course is the one that decides.
func (out *slotCount) follows(c *Course) bool { return c.Of == out.course || c.Of == out.checks }

// tidySteps ends the orders of steps that have ended, or that nobody waits for
// any more.
func (p *pass) tidySteps() {
	all := p.stepEntries()
	for i := range all {
		e := &all[i]
		switch r := p.rollout(e.order.Slot.Workload); {
		case e.order.Stop:
			p.forgetIfGone(e)
		case r == nil || r.Stage != Rolling || !r.Course.has(e.order.ID) || !p.outcome[p.byName[r.Workload]].follows(r.Course):
			o := *e.order
			o.Stop, o.Trace = true, p.in.Trace
			p.edit(edit{node: e.node, order: o})
		}
	}
}
