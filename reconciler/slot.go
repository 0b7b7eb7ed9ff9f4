package reconciler

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// slotView is one slot of a workload as this pass sees it.
type slotView struct {
	slot schema.Slot
	// what is the version that the slot is to run.
	what    version
	entries []entry
	// current runs what is wanted, old anything else; either may be nil. Both
	// leave out what was told to stop.
	current, old *entry
	// ending is whether something of the slot was told to stop and is not known
	// to be gone; stopping whether it is on a node that is not lost.
	ending, stopping bool
	// serves is whether any instance is available; settled whether current has
	// been for the workload's minHealthyTime.
	serves, settled bool
	// kept is whether an instance of the wanted version serves on a node that is
	// being drained: the slot is as it should be but for its place.
	kept bool
	// beside is whether it is of a set beside the one that serves.
	beside bool
	// away is whether the slot's instance sits on a node that is silent but not
	// lost: it counts as present, not as available.
	away bool
	// left is NodeLost, Moved or Evicted where that is why its last instance stops, had
	// whether it was ever ordered as far as the orders still tell.
	left nodes.Reason
	had  bool
	// ports is whether its home has all ports that are to be chosen.
	ports bool
	// waits is whether a slot that has nothing is not to be started yet: it is not
	// its turn, or it has no home.
	waits bool
}

// givenUp is whether the slot is to be had elsewhere, since the instance's node
// is lost. It is told to stop once it has been replaced, not before: a node that
// returns to a fleet without room for what it ran goes on with it.
func (p *pass) givenUp(e *entry, goal *schema.Workload) bool {
	return !p.paused && replacedWhenLost(goal) && p.over(e, goal)
}

// viewSlot sorts out the instances of one slot. Orders that are done with are
// dealt with on the way; those on lost nodes are left out.
func (p *pass) viewSlot(goal *schema.Workload, digest schema.Digest, slot schema.Slot, entries []entry) slotView {
	v := slotView{slot: slot, what: version{goal, digest}, entries: entries}
	for i := range entries {
		e := &entries[i]
		n := &p.nodes[e.node]
		if e.order == nil {
			continue // strays settles it
		}
		v.had = true
		switch {
		case e.order.Stop:
			ending := !p.forgetIfGone(e)
			v.ending, v.stopping = v.ending || ending, v.stopping || ending && !p.over(e, goal)
			if ending && hasLease(goal) {
				p.tellLease(e, goal)
			}
			if r := e.order.Reason; r == nodes.NodeLost || r == nodes.Moved || r == nodes.Evicted {
				v.left = r
			}
			continue
		case p.givenUp(e, goal):
			v.left = nodes.NodeLost
			continue
		case hasLease(goal):
			p.tellLease(e, goal)
		case keepsPlace(goal) && p.lost(n, goal):
			p.waitForVolume(e, n, goal)
		}
		v.take(p, e, goal, digest)
	}
	return v
}

// take counts one ordered instance in. Of two that are current, which happens
// when a commit is taken back while its rollout is under way, the available
// one is kept and the other becomes old.
func (v *slotView) take(p *pass, e *entry, goal *schema.Workload, digest schema.Digest) {
	n := &p.nodes[e.node]
	serves := p.serves(e)
	v.serves = v.serves || serves
	v.away = v.away || !n.fresh()
	leaving := p.leaving(e, goal)
	isCurrent := e.order.Digest == digest && !leaving && p.mayStay(n, goal)
	v.kept = v.kept || leaving && e.order.Digest == digest && serves && p.mayStay(n, goal) && p.settledSince(e, goal)
	switch {
	case isCurrent && v.current == nil:
		v.current = e
	case isCurrent && serves && !p.serves(v.current):
		v.current, v.old = e, v.current
	case v.old == nil || p.worth(e, digest) > p.worth(v.old, digest):
		v.old = e
	}
	if v.current == e {
		v.settled = serves && p.settledSince(e, goal)
	}
}

// worth ranks the old instances of a slot by how much it needs them: what has the
// traffic before what has not, then what serves, what may, and what is wanted.
func (p *pass) worth(e *entry, digest schema.Digest) (rank int) {
	up := !p.down(e)
	for _, is := range []bool{up && p.rollout(e.order.Slot.Workload).directs(e.order.Digest), p.serves(e), up, e.order.Digest == digest} {
		rank *= 2
		if is {
			rank++
		}
	}
	return rank
}

// serves is whether the instance is available by a report that is news (I40): of a
// node whose engine does not answer nobody knows what still runs.
func (p *pass) serves(e *entry) bool {
	return e != nil && e.inst != nil && p.told(e) && e.inst.Available()
}

// down is whether there is evidence that the instance, which does not serve, is
// down. A node that is silent or could not list what it runs gives none, and
// neither does a check that has not answered yet, as after an agent's restart:
// unknown is not healthy, but it is not absent either.
func (p *pass) down(e *entry) bool {
	switch {
	case !p.told(e):
		return false
	case e.inst == nil || e.inst.Phase != nodes.Running || e.inst.Health == nodes.Unhealthy:
		return true
	case e.inst.Health != nodes.HealthUnknown || e.order == nil || e.order.Workload == nil:
		return false
	}
	until := p.watched(e.inst.Since).Add(e.order.Workload.Update.HealthyDeadline.D())
	p.wakeAt(until)
	return !until.After(p.in.Now)
}

// told is whether what the entry's node reports is news: it answers, and it
// could list what it runs.
func (p *pass) told(e *entry) bool {
	n := &p.nodes[e.node]
	return n.fresh() && n.seen.Report.Inventory
}

// settledSince is whether the instance, which is available, has been so for
// the workload's minHealthyTime; if not, the pass that sees it is asked for.
func (p *pass) settledSince(e *entry, goal *schema.Workload) bool {
	ripe := e.inst.Since.Add(goal.Update.MinHealthyTime.D())
	if ripe.After(p.in.Now) {
		p.wakeAt(ripe)
		return false
	}
	return true
}

// lost is whether the node has been silent for so long that the workload no
// longer counts on it. Until then the pass that would see it is asked for.
func (p *pass) lost(n *nodeView, w *schema.Workload) bool {
	if n.fresh() {
		return false
	}
	after := lostAfter
	if w != nil {
		after = max(w.LostAfter.D(), UnreachableAfter)
		if hasLease(w) {
			after = max(after, nodes.LeaseWait)
		}
	}
	if n.silence < after {
		p.wakeAt(p.in.Now.Add(after - n.silence))
		return false
	}
	return true
}

// lostAfter is the silence for an instance whose workload is not known.
const lostAfter = 30 * time.Second

// forgetIfGone drops an order to stop once the node has shown, in an inventory
// made after it saw the order, that the instance is gone.
func (p *pass) forgetIfGone(e *entry) bool {
	n := &p.nodes[e.node]
	gone := e.inst == nil && n.fresh() && n.seen.Report.Inventory &&
		n.seen.Report.Seen.Compare(e.order.Since) >= 0
	if gone {
		p.edit(edit{node: e.node, order: *e.order, drop: true})
	}
	return gone
}

// retire tells an instance to stop; once told it is not told again. An attempt of
// a job that has ended is nothing that its node could have lost.
func (p *pass) retire(e *entry, why nodes.Reason) {
	if e.order == nil || e.order.Stop || e.retired {
		return
	}
	if why == nodes.NodeLost && p.facts.Ended(p.nodes[e.node].fact.Name, e.order) {
		why = nodes.NotKept
	}
	e.retired = true
	o := *e.order
	o.Stop, o.Reason, o.Commit, o.Trace = true, why, p.commitOf(o.Slot.Workload), p.traceFor(o.Slot.Workload)
	p.edit(edit{node: e.node, order: o})
	p.changes = append(p.changes, Change{Slot: o.Slot, Node: p.nodes[e.node].fact.Name, Digest: o.Digest, Stop: true, Reason: why})
}

// refresh brings the settings that are not part of the digest up to date, and
// gives other ports where the node found the chosen ones taken.
func (p *pass) refresh(i int, e *entry, what version) {
	o, goal := e.order, what.text
	if e.inst != nil && e.inst.Failure != nil && e.inst.Failure.Code == nodes.PortInUse && p.rechoosable(e, goal) {
		p.wants = append(p.wants, want{version: what, request: p.requestAt(e, goal), rollout: i, reorder: e, reason: nodes.PortConflict})
		return
	}
	told, leased := p.knowsPeers(i, o, goal, goal), p.nodes[e.node].leases(goal)
	if told && leased == o.Leased && (o.Workload == goal || schema.SameText(o.Workload, goal)) {
		return
	}
	fresh := *o
	fresh.Workload, fresh.Leased = goal, leased
	if !told {
		fresh.Peers = p.peers(i, goal, goal)
	}
	p.edit(edit{node: e.node, order: fresh})
}

// failure is why the instance cannot become what is wanted; empty while it may,
// or while its node is silent or cannot tell, and nothing is known.
func (p *pass) failure(e *entry, goal *schema.Workload, began time.Time) string {
	if e == nil || p.serves(e) || !p.told(e) {
		return ""
	}
	f := (*nodes.Failure)(nil)
	if e.inst != nil {
		f = e.inst.Failure
	}
	where := p.where(e)
	if f != nil && f.Count >= failuresToGiveUp && f.At.After(began) && hopeless(f.Code) {
		return where + ": " + f.Text
	}
	deadline := p.watched(began, e.order.Placed, unknownSince(e.inst)).Add(goal.Update.HealthyDeadline.D())
	if deadline.After(p.in.Now) {
		p.wakeAt(deadline)
		return ""
	}
	text := where + " was not healthy within " + goal.Update.HealthyDeadline.String()
	switch {
	case f != nil:
		text += ": " + f.Text
	case pulling(e):
		text += ": it is still pulling " + pullOf(e)
	}
	return text
}

// unknownSince is since when the instance runs with a check that has not
// answered; zero where it does not.
func unknownSince(x *nodes.Instance) (since time.Time) {
	if x != nil && x.Phase == nodes.Running && x.Health == nodes.HealthUnknown {
		return x.Since
	}
	return since
}

// failuresToGiveUp is how often in a row an instance may fail before a rollout
// calls it bad without waiting for the healthy deadline. With a back-off that
// starts at a second and doubles this takes some fifteen seconds, long enough
// for a dependency that starts at the same time.
const failuresToGiveUp = 5

// hopeless is whether a failure that repeats says that the instance itself is
// bad, rather than something around it that may mend.
func hopeless(c nodes.FailureCode) bool {
	switch c {
	case nodes.Exited, nodes.OOMKilled, nodes.CommandNotFound, nodes.StartFailed, nodes.ImageNotFound, nodes.ArtifactInvalid, nodes.Refused:
		return true
	}
	return false
}

// watched is the latest of the instants and of when this leader began: no
// deadline runs while no server looks. An instant that is still to come, left by
// a clock that was set back, does not count.
func (p *pass) watched(from ...time.Time) time.Time {
	latest := p.in.Started
	for _, t := range from {
		if t.After(latest) && !t.After(p.in.Now) {
			latest = t
		}
	}
	return latest
}

// tree is the pools in force.
func (p *pass) tree() scheduler.Tree { return p.facts.Spec.Pools }

// Matches is whether the workload may run on the node at all: its pool, the
// node's taints and all its constraints agree.
func Matches(pools []schema.Pool, n *nodes.Node, w *schema.Workload) bool {
	tree := scheduler.Tree(pools)
	home := tree.Home(n, nil)
	return tree.Matches(&home, n, w, nil)
}
