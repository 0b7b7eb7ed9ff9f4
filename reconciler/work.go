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
	p.marks = p.marks[:0]
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
	b := p.serviceBudget(i, goal)
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

// step does what one slot needs now, if it is its turn.
func (p *pass) step(i int, goal *schema.Workload, v *slotView, b *budget, only string) {
	out := &p.outcome[i]
	if out.course == "" && p.facts.Rollouts[i].Stage != Reverting {
		p.move(i, goal, v, b, only)
		return
	}
	whole := out.gate
	out.gate = p.inTurn(i, whole, v.slot.Index)
	p.move(i, goal, v, b, only)
	if out.gate = whole; out.course != "" {
		p.marks = append(p.marks, p.markOf(i, v))
	}
}

// move does what one slot needs now, within the gate.
func (p *pass) move(i int, goal *schema.Workload, v *slotView, b *budget, only string) {
	out := &p.outcome[i]
	r := &p.facts.Rollouts[i]
	p.countSlot(i, v)
	if v.current != nil {
		p.refresh(i, v.current, v.what)
	}
	p.retireSpares(v, r)
	if out.pulling == nil && pulling(v.current) {
		out.pulling = v.current
	}
	if v.what.digest == r.Target {
		p.judgeSlot(i, goal, v)
	}
	switch {
	case v.current != nil && v.settled:
		p.retireRest(v, r)
	case v.current != nil:
		p.tryElsewhere(i, v)
	case v.old == nil && v.waits:
	case v.old == nil:
		p.fill(i, goal, v, only)
	case !out.gate.update && !v.kept:
	case v.away && !p.serves(v.old):
		// Its node is silent and not lost yet: nothing is known, so nothing is done.
	case p.leaving(v.old, goal) && (v.kept || goal.Update.Strategy != "recreate" || v.what.is(v.old)):
		p.moveAway(i, goal, v, b)
	case goal.Update.Strategy == "recreate" && v.what.is(v.old):
		p.moveOff(i, v, b)
	case goal.Update.Strategy == "recreate" || p.down(v.old):
		p.retire(v.old, p.replaceReason(v.old, v.what, r))
	case b.surge > 0:
		b.surge--
		w := want{version: v.what, request: p.request(v.what, v, only), rollout: i, lost: v.entries, reason: p.placeReason(v, r), inTurn: fixesPort(goal)}
		if b.instead > 0 { // it may come to that: what one slot may use, no other may
			b.instead, b.down, w.replaces, w.inTurn = b.instead-1, b.down-1, v.old, false
		}
		p.wants = append(p.wants, w)
	case b.down > 0:
		b.instead, b.down = b.instead-1, b.down-1
		p.retire(v.old, p.replaceReason(v.old, v.what, r))
	}
}

// countSlot counts one slot of the version that the rollout steers to.
func (p *pass) countSlot(i int, v *slotView) {
	out, c := &p.outcome[i], v.current
	if v.stopping || v.old != nil && !v.kept {
		out.left++
	}
	if c != nil && c.inst != nil && c.inst.Phase == nodes.Running && p.nodes[c.node].fresh() {
		out.started++
	}
	switch _, digest := p.facts.Rollouts[i].goal(); {
	case v.what.digest != digest:
	case v.settled || v.kept:
		out.settled++
	case c != nil && !p.serves(c) && !p.down(c):
		out.unsure++
	}
}

// retireSpares ends what is neither the wanted instance nor the one that
// serves in its place: left from a rollout that was superseded.
func (p *pass) retireSpares(v *slotView, r *Rollout) {
	for j := range v.entries {
		e := &v.entries[j]
		if e.order == nil || e.order.Stop || e == v.current || !p.nodes[e.node].fresh() || p.mayServe(v, e) {
			continue
		}
		p.retire(e, p.replaceReason(e, v.what, r))
	}
}

// mayServe is whether the slot may need this old instance: it is the one that
// the rollout takes down in its turn, or may be up where no other surely is.
func (p *pass) mayServe(v *slotView, e *entry) bool {
	if e == v.old {
		return v.current == nil || !p.down(e)
	}
	return !p.down(e) && !v.serves
}

// retireRest ends every other instance of a slot whose wanted one has settled.
func (p *pass) retireRest(v *slotView, r *Rollout) {
	for j := range v.entries {
		e := &v.entries[j]
		if e == v.current || e.order == nil || e.order.Stop {
			continue
		}
		why := p.replaceReason(e, version{v.current.order.Workload, v.what.digest}, r)
		if p.givenUp(e, v.current.order.Workload) {
			why = nodes.NodeLost
		}
		p.retire(e, why)
	}
}

// fill asks for a place for a slot that has nothing. A recreate waits until
// every old instance is gone and the slot's own whatever its digest, a slot
// with volumes until its own is even where its node is silent.
func (p *pass) fill(i int, goal *schema.Workload, v *slotView, only string) {
	if !p.outcome[i].gate.start {
		p.bringBack(i, v, only)
		return
	}
	inPlace := goal.Update.Strategy == schema.Ordered && v.stopping
	if goal.Update.Strategy == "recreate" && (v.stopping || p.stillStopping(i)) || inPlace || v.mayWrite(v.what.text) {
		return
	}
	p.ask(i, v.what, v, only, p.placeReason(v, &p.facts.Rollouts[i]))
}

// bringBack asks for a place for a slot that has lost what it had, in the
// version that it had: its rollout may not go on.
func (p *pass) bringBack(i int, v *slotView, only string) {
	was := p.present(i, v)
	if was == nil || v.mayWrite(was.text) {
		return
	}
	why := v.left
	if why == "" {
		why = nodes.Created
	}
	p.ask(i, *was, v, only, why)
}

func (p *pass) ask(i int, what version, v *slotView, only string, why nodes.Reason) {
	p.wants = append(p.wants, want{version: what, request: p.request(what, v, only), rollout: i, lost: v.entries, reason: why, inTurn: v.stopping})
}

// mayWrite is whether what the slot was told to stop may still be at work on what
// a new instance would have: it is waited for even where its node is silent,
// unless the workload says otherwise.
func (v *slotView) mayWrite(goal *schema.Workload) bool {
	return keepsPlace(goal) && (v.stopping || v.ending && !replacedWhenLost(goal))
}

// wanted is what the i-th rollout steers to.
func (p *pass) wanted(i int) version {
	text, digest := p.facts.Rollouts[i].goal()
	return version{text, digest}
}

// stillStopping is whether an instance of the workload's old digest is not
// known to be gone, nor its node lost: one that is not heard yet may run it.
func (p *pass) stillStopping(i int) bool {
	goal, digest := p.facts.Rollouts[i].goal()
	group := p.groupAt(i)
	for j := range group {
		e := &group[j]
		if e.order != nil && e.order.Digest != digest && !p.lost(&p.nodes[e.node], goal) && !p.gone(e) {
			return true
		}
	}
	return false
}

func (p *pass) placeReason(v *slotView, r *Rollout) nodes.Reason {
	switch {
	case v.left != "" && v.old == nil:
		return v.left
	case v.kept:
		return nodes.Moved
	case r.Stage == Reverting || r.Stage == Reverted:
		return nodes.RolledBack
	case v.old != nil && v.what.is(v.old):
		return nodes.Moved
	case v.old == nil && r.Good != nil && r.Good.Kind != schema.Daemon && v.slot.Index >= r.Good.Replicas:
		return nodes.ScaledUp
	case v.had || r.Good != nil && r.GoodDigest != r.Target && v.slot.Index < r.Good.Replicas:
		return nodes.Updated
	}
	return nodes.Created
}

func (p *pass) replaceReason(e *entry, what version, r *Rollout) nodes.Reason {
	switch {
	case what.is(e) && (p.leaving(e, what.text) || !p.mayStay(&p.nodes[e.node], what.text)):
		return nodes.Moved
	case r.Stage == Reverting || r.Stage == Reverted:
		return nodes.RolledBack
	}
	return nodes.Replaced
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
