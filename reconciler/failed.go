package reconciler

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Cause is a slot that failed, with what its node told of it.
type Cause struct {
	Slot schema.Slot `json:"slot"`
	Node string      `json:"node"`
	At   time.Time   `json:"at"`
	// Text is the whole in one sentence.
	Text string `json:"text"`
	// Failure has the code, the exit code and the last lines; nil where the
	// instance only never became healthy.
	Failure *nodes.Failure `json:"failure,omitempty"`
}

// Failures are a rollout's, oldest first. Only the newest have their last lines.
type Failures []Cause

// MaxCauses bounds how many causes a commit tells, and how many of a rollout's
// have their last lines.
const MaxCauses = 3

// failures are those of the rollout.
func (r *Rollout) failures() Failures {
	if r.Failed == nil {
		return nil
	}
	return *r.Failed
}

// plus is f with more behind it.
func (f Failures) plus(more ...Cause) *Failures {
	all := slices.Concat(f, more)
	for i := range all[:max(0, len(all)-MaxCauses)] {
		if c := &all[i]; c.Failure != nil && c.Failure.Log != "" {
			short := *c.Failure
			short.Log = ""
			c.Failure = &short
		}
	}
	return &all
}

// knows is whether the failure of an instance since it was placed is among them.
func (f Failures) knows(e *entry, node string) bool {
	return slices.ContainsFunc(f, func(c Cause) bool {
		return c.Slot == e.order.Slot && c.Node == node && !c.At.Before(e.order.Placed)
	})
}

// of counts a slot's.
func (f Failures) of(slot schema.Slot) (n int) {
	for i := range f {
		if f[i].Slot == slot {
			n++
		}
	}
	return n
}

func (p *pass) causeOf(e *entry, text string) Cause {
	c := Cause{Slot: e.order.Slot, Node: p.nodes[e.node].fact.Name, At: p.in.Now, Text: text}
	if e.inst != nil {
		c.Failure = e.inst.Failure
	}
	return c
}

// judgeSlot notes that the slot's wanted instance failed, and whether that is
// once too often for its rollout.
func (p *pass) judgeSlot(i int, goal *schema.Workload, v *slotView) {
	r, out, e := &p.facts.Rollouts[i], &p.outcome[i], v.current
	if out.ailing == nil && e != nil && e.inst != nil && e.inst.Failure != nil {
		out.ailing = e
	}
	why := p.failure(e, goal, r.counted())
	if why == "" || r.Stage != Rolling || r.failures().knows(e, p.nodes[e.node].fact.Name) {
		return
	}
	out.failed = append(out.failed, p.causeOf(e, why))
	if out.failure == "" && len(r.failures())+len(out.failed) > goal.Update.MaxFailures {
		out.failure = why
	}
}

// maxMoves is how often a slot of a version that was healthy once goes elsewhere
// because it fails: if three nodes do not suit it, a fourth will not.
const maxMoves = 3

// maxFailed is how many failures of one version move slots at all: beyond it
// they are nobody's node's.
const maxFailed = 100

// tryElsewhere asks for a place on another node for a slot whose instance, which
// is what it should be, keeps failing where it is. It stays if there is none.
func (p *pass) tryElsewhere(i int, v *slotView) {
	e := v.current
	if !p.keepsFailing(i, v) {
		return
	}
	w := want{version: v.what, request: p.request(v.what, v, ""), rollout: i, lost: v.entries, reason: nodes.Moved, drains: true, instead: e}
	w.request.Leaves = p.nodes[e.node].fact.Name
	p.wants = append(p.wants, w)
}

// keepsFailing is whether another node should have the slot: it failed within
// what its rollout may bear, or often in a row though the version was healthy
// before.
func (p *pass) keepsFailing(i int, v *slotView) bool {
	r, e := &p.facts.Rollouts[i], v.current
	if v.what.text.Kind != schema.Service || holdsVolume(v.what.text) || v.what.text.Gang || v.old != nil && p.serves(v.old) && r.Stage != Rolling ||
		p.serves(e) || !p.told(e) || e.inst == nil || !maybeTheNodes(e.inst.Failure) || !p.outcome[i].gate.open() {
		return false
	}
	switch r.Stage {
	case Rolling:
		if v.what.digest == r.Target {
			return r.failures().knows(e, p.nodes[e.node].fact.Name)
		}
	case Done, Keeping, Reverted:
	default:
		return false
	}
	return e.inst.Failure.Count >= failuresToGiveUp && r.failures().of(v.slot) < maxMoves && len(r.failures()) < maxFailed
}

// leave ends an instance that has got a place elsewhere, and notes why.
func (p *pass) leave(w *want) {
	e := w.instead
	p.retire(e, nodes.Moved)
	r := &p.facts.Rollouts[w.rollout]
	if r.Stage == Rolling && w.digest == r.Target {
		return // noted when it was judged
	}
	p.editRollouts()
	r = &p.facts.Rollouts[w.rollout]
	r.Failed = r.failures().plus(p.causeOf(e, e.order.Slot.String()+" on "+p.nodes[e.node].fact.Name+": "+e.inst.Failure.Text))
}

// causes are those of the workloads that the commit touched and that came to no
// good end, the newest of each first come.
func (p *pass) causes(c *Commit) (all []Cause) {
	for _, name := range c.Touched {
		r := p.rollout(name)
		if r == nil || r.Stage != Stuck && r.Stage != Reverting && r.Stage != Reverted {
			continue
		}
		if f := r.failures(); len(f) > 0 && len(all) < MaxCauses {
			all = append(all, f[len(f)-1])
		}
	}
	return all
}
