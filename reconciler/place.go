package reconciler

import (
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// want is a slot that asks for a place.
type want struct {
	version
	request scheduler.Request
	rollout int
	reason  nodes.Reason
	// replaces is the old instance, if it may go first where a fixed host port
	// leaves no place beside it.
	replaces *entry
	// lost are the slot's entries: those that are given up with their nodes are
	// told to stop once the slot has another place.
	lost []entry
	// inTurn is whether a refusal is no news: it waits for its own old instance
	// to end, or for the slots before it.
	inTurn bool
	// away is whether it moves from a node that is being drained, drains whether it
	// moves for nothing else: that it finds no other place is then the drain's
	// matter, not its rollout's.
	away, drains bool
	// first is whether the old instance is to go before the new one comes, as soon
	// as there is a place for it.
	first bool
	// moot is whether its rollout fails in this pass, so that it asks for no more
	// than the reason of a refusal.
	moot bool
	// step is the step of a runbook that it is for; nil for a slot's instance.
	step *oneStep
	// home is whether it asks for the slot's home alone, and starts nothing.
	home bool
	// instead is an instance that keeps failing where it is: it goes once the slot
	// has a place on another node.
	instead *entry
	// reorder is an order that stays where it is and needs other ports.
	reorder *entry
	// run is the slot of a run that it is for; nil for what is no job.
	run *runWant
}

// edit is a change to one node's orders.
type edit struct {
	node  int32
	order nodes.Order
	drop  bool
}

func (p *pass) edit(e edit) { p.edits = append(p.edits, e) }

func (p *pass) request(what version, v *slotView, only string) scheduler.Request {
	r := scheduler.Request{Slot: v.slot, Workload: what.text, Only: only, Except: p.ending(v, nodes.InstanceID(v.slot, what.digest))}
	r.Home = only != "" && len(v.entries) > 0
	if at := p.homeAt(v.slot); at >= 0 && keepsPlace(what.text) && p.boundTo(at, what.text) {
		f := &p.facts.Volumes[at]
		r.Only, r.Stays, r.Home, r.Ports = f.Node, true, true, f.Ports
	}
	r.Except = append(r.Except, p.deletingOn(v.slot)...)
	if v.old != nil {
		r.Leaves = p.nodes[v.old.node].fact.Name
	}
	return r
}

// ending are the nodes that still hold an order of the same name.
func (p *pass) ending(v *slotView, id string) (except []string) {
	for j := range v.entries {
		if v.entries[j].id() == id {
			except = append(except, p.nodes[v.entries[j].node].fact.Name)
		}
	}
	return except
}

func (p *pass) requestAt(e *entry, goal *schema.Workload) scheduler.Request {
	return scheduler.Request{Slot: e.order.Slot, Workload: goal, Only: p.nodes[e.node].fact.Name, Home: true, Stays: keepsPlace(goal), Ports: e.order.Ports}
}

// rechoosable is whether other ports could help: a dynamic one is among those
// that the node found taken.
func (p *pass) rechoosable(e *entry, goal *schema.Workload) bool {
	busy := p.nodes[e.node].fact.Node.BusyPorts
	for name, port := range e.order.Ports {
		if goal.Ports[name].Host == 0 && slices.Contains(busy, port) {
			return true
		}
	}
	return false
}

// place answers the wants in their order, which is by workload and slot; but
// first come those that only need other ports where they are.
func (p *pass) place() {
	if len(p.wants) == 0 {
		return
	}
	slices.SortStableFunc(p.wants, func(a, b want) int { return a.rollout - b.rollout })
	p.buildPool()
	t := scheduler.Open(*p.pool)
	for i := range p.wants {
		switch w := &p.wants[i]; {
		case w.reorder != nil && w.reorder.retired: // it goes, and needs no ports
		case w.reorder != nil:
			p.placeAgain(t, w)
		case w.atHome() && !p.notResolved(w):
			p.placeAtHome(t, w)
		}
	}
	p.placeAll(t)
}

// placeAll asks for a place for all that wants one. What finds none may have
// its old instance's, once that is gone.
func (p *pass) placeAll(t *scheduler.Table) {
	var asked []*want
	var requests []scheduler.Request
	var avoid []string
	for i := range p.wants {
		if w := &p.wants[i]; w.reorder == nil && !w.atHome() && !p.notResolved(w) {
			if len(asked) == 0 || asked[len(asked)-1].rollout != w.rollout {
				avoid = p.failedOn(w.rollout)
			}
			w.request.Avoid = avoid
			asked, requests = append(asked, w), append(requests, w.request)
		}
	}
	placed, unplaced := t.Place(requests)
	var without []*want
	for _, w := range asked {
		switch {
		case len(placed) > 0 && placed[0].Slot == w.request.Slot:
			switch {
			case w.moot:
			case w.first:
				p.retire(w.replaces, nodes.Moved)
			default:
				p.give(w, placed[0])
			}
			placed = placed[1:]
		case p.roomInstead(t, w):
			p.retire(w.replaces, p.replaceReason(w.replaces, w.version, &p.facts.Rollouts[w.rollout]))
			unplaced = unplaced[1:]
		default:
			p.refused(w, unplaced[0].Why)
			if at := unplaced[0].Waits; at != "" {
				p.unblock(w.request.Slot, at)
			} else if !w.inTurn && !w.drains && !w.moot {
				without = append(without, w)
			}
			unplaced = unplaced[1:]
		}
	}
	p.evict(t, without)
}

// placeAgain gives an order that stays where it is other ports: for a moment
// it holds nothing on its node.
func (p *pass) placeAgain(t *scheduler.Table, w *want) {
	back := t.Lift(int(w.reorder.node), w.reorder.order.Workload, w.reorder.order.Ports)
	got, ok := t.Take(&w.request)
	if !ok {
		why := t.Explain(&w.request)
		p.refused(w, &why)
		back()
		return
	}
	p.order(w, got)
}

// roomInstead is whether the old instance, once gone, leaves the new one a
// place on its node; only then is taking it down first of any use.
func (p *pass) roomInstead(t *scheduler.Table, w *want) bool {
	if w.replaces == nil {
		return false
	}
	at, o := int(w.replaces.node), w.replaces.order
	back := t.Lift(at, o.Workload, o.Ports)
	defer back()
	return t.Ask(at, &w.request).Fits
}

func (p *pass) order(w *want, got scheduler.Placement) {
	node, _ := slices.BinarySearchFunc(p.nodes, got.Node,
		func(n nodeView, name string) int { return strings.Compare(n.fact.Name, name) })
	if w.step != nil {
		p.stepPlaced(w, int32(node))
		return
	}
	goal, digest := w.text, w.digest
	if w.run != nil {
		goal = p.runFor(w).attempt(w.run.slot)
		digest = goal.Digest()
	}
	o := nodes.Order{ID: nodes.InstanceID(got.Slot, digest), Slot: got.Slot, Digest: digest, Workload: goal,
		Ports: got.ByName(goal), Reason: w.reason, Commit: p.facts.Rollouts[w.rollout].Commit, Placed: p.in.Now, Trace: p.traceFor(got.Slot.Workload)}
	if w.reorder != nil {
		o.Placed = w.reorder.order.Placed
	}
	o.Leased = p.nodes[node].leases(goal)
	if keepsPlace(goal) {
		p.settleAt(goal, got.Slot, got.Node, o.Ports)
		p.useHome(got.Slot)
		o.Peers = p.peers(w.rollout, goal, goal)
	}
	why := ""
	policy, _ := p.facts.Rollouts[w.rollout].goal() // goal may be a version that comes back
	for j := range w.lost {
		if e := &w.lost[j]; e.order != nil && p.givenUp(e, policy) {
			why = p.givesUp(e, policy)
			p.retire(e, nodes.NodeLost)
		}
	}
	if w.instead != nil {
		p.leave(w)
	}
	if w.run != nil {
		p.attempted(w, o.ID, got.Node)
	}
	p.edit(edit{node: int32(node), order: o})
	p.changes = append(p.changes, Change{Slot: got.Slot, Node: got.Node, Digest: digest, Reason: w.reason, Why: why, Score: got.Score})
}

// givesUp tells of the data that is lost to the slot with its node.
func (p *pass) givesUp(e *entry, policy *schema.Workload) string {
	if !holdsVolume(policy) {
		return ""
	}
	return "without the data on " + p.nodes[e.node].fact.Name
}
