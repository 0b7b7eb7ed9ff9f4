package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// slotCount is what a workload's walk found, for its rollout and its commit.
type slotCount struct {
	desired int
	settled int // current, available long enough
	left    int // instances that are not the wanted ones and not yet gone, on nodes that are not lost
	unsure  int // current, and nothing is known of them now
	failure string
	failed  []Cause // what failed in this pass, and was not known to have
	waiting string  // why something could not be placed
	asking  string  // which check of a canary's step is waited for; its slots may move
	ailing  *entry  // the first wanted instance that told of a failure
	pulling *entry  // the first that waits for its image
	started int     // wanted instances that run
	gate    gate    // what the walk might do
	course  string  // which course of a runbook decides; "" for none
	checks  string  // which course the checks of a canary's step are; "" for none
}

// work walks the i-th workload's slots: first to count, then to act.
func (p *pass) work(i int) {
	for len(p.outcome) <= i {
		p.outcome = append(p.outcome, slotCount{})
	}
	p.letThrough(i)
	p.outcome[i] = slotCount{gate: p.gateOf(i), course: p.courseOf(i), checks: p.facts.Rollouts[i].checks()}
	p.marks, p.volumesFrom = p.marks[:0], int(p.homesFrom[i])
	r := &p.facts.Rollouts[i]
	if g := &p.outcome[i].gate; !g.open() {
		p.blocked = append(p.blocked, g.why)
	}
	edits, changes, wants := len(p.edits), len(p.changes), len(p.wants)
	goal, digest := r.goal()
	p.observeRuns(i)
	p.closeRuns(i, goal)
	switch {
	case p.frozen(r.Workload):
		p.keepStill(i)
	case goal == nil:
		p.removeAll(i)
	case goal.Kind.Runs():
		p.workRuns(i, goal, digest)
		return
	case goal.Kind == schema.Daemon:
		p.workDaemon(i, goal, digest)
	case goal.Kind == schema.Stateful:
		p.workStateful(i, goal, digest)
	case r.twoSets(p.in.Now):
		p.workSets(i)
	default:
		p.workService(i, goal)
	}
	p.followRunbook(i)
	p.makeChecks(i)
	if p.failing(&p.facts.Rollouts[i], &p.outcome[i]) {
		p.haltForward(i, edits, changes, wants)
	}
}

// haltForward takes back what the walk of a rollout that fails in this pass
// would take down on the way forward: it goes back from here. What asks for a
// place still does where that tells what the rollout waited for, and gets none.
func (p *pass) haltForward(i, edits, changes, wants int) {
	forward := func(stop bool, why nodes.Reason) bool {
		return stop && (why == nodes.Replaced || why == nodes.Moved || why == nodes.ScaledDown)
	}
	kept := slices.DeleteFunc(p.edits[edits:], func(e edit) bool { return !e.drop && forward(e.order.Stop, e.order.Reason) })
	p.edits = p.edits[:edits+len(kept)]
	told := slices.DeleteFunc(p.changes[changes:], func(c Change) bool { return forward(c.Stop, c.Reason) })
	p.changes = p.changes[:changes+len(told)]
	if p.outcome[i].failure != "" {
		p.wants = p.wants[:wants]
	}
	moves := slices.DeleteFunc(p.wants[wants:], func(w want) bool { return w.away })
	p.wants = p.wants[:wants+len(moves)]
	for j := wants; j < len(p.wants); j++ {
		p.wants[j].replaces, p.wants[j].moot = nil, true
	}
}

// goal is what the rollout steers to: the repository's text, or the last good
// one after a failure.
func (r *Rollout) goal() (*schema.Workload, schema.Digest) {
	if (r.Stage == Waiting || r.Stage == Reverting || r.Stage == Reverted) && r.Good != nil {
		return r.Good, r.GoodDigest
	}
	return r.Want, r.Target
}

func (p *pass) removeAll(i int) {
	group := p.groupAt(i)
	for j := range group {
		p.end(i, &group[j], nodes.Removed)
	}
}

// end sees an instance that nobody wants to its end, and counts it as left
// until it is gone or its node is lost.
func (p *pass) end(i int, e *entry, why nodes.Reason) {
	p.retireOrForget(e, why)
	if !p.lost(&p.nodes[e.node], e.text()) && !p.gone(e) {
		p.outcome[i].left++
	}
}

// retireOrForget ends an instance that nobody wants.
func (p *pass) retireOrForget(e *entry, why nodes.Reason) {
	switch {
	case e.order == nil:
	case e.order.Stop:
		p.forgetIfGone(e)
	default:
		p.retire(e, why)
	}
}

func (p *pass) gone(e *entry) bool {
	n := &p.nodes[e.node]
	return e.inst == nil && e.order != nil && e.order.Stop && n.fresh() && n.seen.Report.Inventory &&
		n.seen.Report.Seen.Compare(e.order.Since) >= 0
}

// workService walks slots 0 to replicas − 1 and retires those above.
func (p *pass) workService(i int, goal *schema.Workload) {
	out := &p.outcome[i]
	out.desired = goal.Replicas
	var b budget
	entries := p.groupAt(i)
	for index := range goal.Replicas {
		var mine []entry
		mine, entries = cut(entries, index)
		what := p.versionOf(i, index, mine)
		v := p.viewSlot(what.text, what.digest, schema.Slot{Workload: goal.Name, Index: index}, mine)
		p.settleThere(&v)
		p.step(i, goal, &v, &b, "")
	}
	for j := range entries {
		if out.gate.update {
			p.end(i, &entries[j], nodes.ScaledDown)
		} else {
			p.stayOrEnd(i, &entries[j])
		}
	}
}

// stayOrEnd leaves an instance as it is whose turn to go has not come, and sees
// to its end one that was told to stop already.
func (p *pass) stayOrEnd(i int, e *entry) {
	if e.order == nil || e.order.Stop {
		p.end(i, e, nodes.ScaledDown)
		return
	}
	p.outcome[i].left++
}

// cut takes the entries of one slot off the front.
func cut(entries []entry, index int) (mine, rest []entry) {
	k := 0
	for k < len(entries) && entries[k].slot().Index == index {
		k++
	}
	return entries[:k], entries[k:]
}

// wanted is what the i-th rollout steers to.
func (p *pass) wanted(i int) version {
	text, digest := p.facts.Rollouts[i].goal()
	return version{text, digest}
}

// mayStay is whether an instance may stay on its node as the node is now.
func (p *pass) mayStay(n *nodeView, w *schema.Workload) bool {
	return keepsPlace(w) || p.matches(n, w)
}

// matches is whether the rules for where its slots may be let the workload there.
func (p *pass) matches(n *nodeView, w *schema.Workload) bool {
	if n.bare && w.Kind == schema.Daemon {
		return false
	}
	if n.home.Pool == "" {
		n.home = p.tree().Home(&n.fact.Node, p.known)
	}
	return p.tree().Matches(&n.home, &n.fact.Node, w, p.known)
}
