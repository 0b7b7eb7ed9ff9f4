package reconciler

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Cordon closes a node to new work; what is at home there, a daemon's slot or
// one whose volume is there, is still updated in place. With Drain the rest
// moves to other nodes, each workload by its own budget (I1); then the daemons
// end, and the node is drained: nothing comes to it at all. What cannot move is
// named and stays (I36).
type Cordon struct {
	Node   string    `json:"node"`
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
	Drain  bool      `json:"drain,omitempty"`
	// Deadline is until when the drain should have ended; zero is none. That it
	// is over is told, and changes nothing else.
	Deadline time.Time `json:"deadline,omitzero"`
	// Drained is when nothing was left to run there; zero before.
	Drained time.Time `json:"drained,omitzero"`
}

// word is the node's state as it ends "n1 is …".
func (c *Cordon) word() string {
	switch {
	case !c.Drained.IsZero():
		return "drained"
	case c.Drain:
		return "being drained"
	}
	return "cordoned"
}

func findCordon(sorted []Cordon, node string) (at int, known bool) {
	return slices.BinarySearchFunc(sorted, node, func(c Cordon, name string) int { return strings.Compare(c.Node, name) })
}

func cordonOf(sorted []Cordon, node string) *Cordon {
	if len(sorted) == 0 {
		return nil
	}
	at, known := findCordon(sorted, node)
	if !known {
		return nil
	}
	return &sorted[at]
}

func (n *nodeView) draining() bool { return n.cordon != nil && n.cordon.Drain }

func notDaemon(o nodes.Order) bool { return o.Workload == nil || o.Workload.Kind != schema.Daemon }

// leaving is whether the instance is to move, since its node is being drained.
// A volume stays where it is, and so does who writes to it; a daemon is one of
// its node's.
func (p *pass) leaving(e *entry, w *schema.Workload) bool {
	switch {
	case !p.nodes[e.node].draining():
		return false
	case w.Kind == schema.Stateful:
		return p.movesHome(e.slot(), w)
	}
	return w.Kind == schema.Service && !holdsVolume(w)
}

// movesHome is whether a drain gives a stateful slot another home: it leaves no
// data behind, and no update is under way, which is done in place and comes first.
func (p *pass) movesHome(slot schema.Slot, w *schema.Workload) bool {
	i, known := p.byName[w.Name]
	at := p.homeAt(slot)
	return known && p.facts.Rollouts[i].ended() && !holdsVolume(w) && (at < 0 || p.facts.Volumes[at].Bare)
}

// moveAway looks for another place for a slot on a node that is being drained:
// beside the old instance where the budget has that, else after it; of a recreate
// one after the other, and of a stateful one never beside it. Nothing goes before there is a place for it.
func (p *pass) moveAway(i int, goal *schema.Workload, v *slotView, b *budget) {
	w := want{version: v.what, request: p.request(v.what, v, ""), rollout: i, lost: v.entries, reason: p.placeReason(v, &p.facts.Rollouts[i]),
		away: true, drains: v.what.is(v.old)}
	if keepsPlace(goal) { // the home that it is to have, once it has left this one
		w.request.Only, w.request.Stays, w.request.Home, w.request.Ports = "", false, false, nil
	}
	switch {
	case b.surge > 0:
		b.surge--
	case p.down(v.old):
		w.first, w.replaces = true, v.old
	case b.down > 0:
		b.instead, b.down = b.instead-1, b.down-1
		w.first, w.replaces = true, v.old
	default:
		p.stay(v.slot, "")
		return
	}
	p.wants = append(p.wants, w)
}

// moveOff is for a slot of a recreate workload that may not be where it is any more
// and whose text stays: one after the other, and only once there is a place.
func (p *pass) moveOff(i int, v *slotView, b *budget) {
	if !p.down(v.old) {
		if b.down <= 0 {
			return
		}
		b.down--
	}
	w := want{version: v.what, request: p.request(v.what, v, ""), rollout: i, lost: v.entries, reason: nodes.Moved, first: true, replaces: v.old}
	p.wants = append(p.wants, w)
}

// stay notes why a slot does not move yet; "" is that others go first.
func (p *pass) stay(slot schema.Slot, why string) {
	if p.stays == nil {
		p.stays = map[schema.Slot]string{}
	}
	p.stays[slot] = why
}

// drain ends the drains of nodes that have nothing left to run, and tells what
// keeps the others from it.
func (p *pass) drain() {
	for i := range p.nodes {
		n := &p.nodes[i]
		if !n.draining() || !n.cordon.Drained.IsZero() {
			continue
		}
		tied := p.tied(n)
		if len(n.fact.Assignment.Orders) == 0 && len(tied) == 0 {
			p.drained(n)
			continue
		}
		p.tellDrain(int32(i), n, tied)
	}
}

// tied tells why each wanted slot at home on the node, with no order there now, comes back.
func (p *pass) tied(n *nodeView) (named []string) {
	for i := range p.facts.Volumes {
		v := &p.facts.Volumes[i]
		at, known := p.byName[v.Slot.Workload]
		if v.Node != n.fact.Name || !known || !v.lives() {
			continue
		}
		goal, _ := p.facts.Rollouts[at].goal()
		ordered := slices.ContainsFunc(n.fact.Assignment.Orders, func(o nodes.Order) bool { return o.Slot == v.Slot })
		if goal != nil && keepsPlace(goal) && !p.movesHome(v.Slot, goal) && v.Slot.Index < goal.Replicas && !ordered {
			why := volumeThere
			if v.Bare && !holdsVolume(goal) {
				why = "its update comes first"
			}
			named = append(named, v.Slot.String()+": "+why)
		}
	}
	return named
}

func (p *pass) drained(n *nodeView) {
	p.dirty = true
	p.facts.Cordons = slices.Clone(p.facts.Cordons)
	at, _ := findCordon(p.facts.Cordons, n.fact.Name)
	p.facts.Cordons[at].Drained = p.in.Now
}

// volumeThere is why a slot with volumes stays.
const volumeThere = "its volume is there"

// toldBlockers bounds how many slots a sentence names.
const toldBlockers = 5

// tellDrain names what does not leave a node by itself and, once the deadline is
// over, all that is left there.
func (p *pass) tellDrain(at int32, n *nodeView, tied []string) {
	c := n.cordon
	late := !c.Deadline.IsZero() && !c.Deadline.After(p.in.Now)
	if !late {
		p.wakeAt(c.Deadline)
	}
	blockers := append(p.blockers(at, n, late), tied...)
	if len(blockers) == 0 && !late {
		return
	}
	next := "see to what is named, or end the drain: bayplan node uncordon " + n.fact.Name
	if slices.ContainsFunc(blockers, func(b string) bool { return strings.HasSuffix(b, volumeThere) }) {
		next = fmt.Sprintf("a volume does not move: take what has one down by a commit with fewer replicas, or give its data up with the node (bayplan node rm %s), or end the drain: bayplan node uncordon %s", n.fact.Name, n.fact.Name)
	}
	count := len(blockers)
	if count > toldBlockers {
		blockers = append(blockers[:toldBlockers], "…")
	}
	b := Blocked{Node: n.fact.Name, Code: "drain-blocked", Text: fmt.Sprintf("%s is being drained, and %d cannot leave: %s", n.fact.Name, count, strings.Join(blockers, "; ")),
		Next: next}
	if late {
		b.Code = "drain-late"
		b.Text = fmt.Sprintf("%s should have been drained by %s; still there (%d): %s", n.fact.Name, c.Deadline.UTC().Format("15:04:05 UTC"), count, strings.Join(blockers, "; "))
	}
	p.blocked = append(p.blocked, b)
}

// blockers are what is left on a node with why it stays, in the order of the
// orders, a slot and the runbook's steps about it once; with all also what is on
// its way.
func (p *pass) blockers(at int32, n *nodeView, all bool) (named []string) {
	for i := range p.entries {
		e := &p.entries[i]
		if e.node != at || e.order == nil || e.order.Workload != nil && e.order.Workload.Kind == schema.Daemon && !n.bare {
			continue
		}
		why := p.whyStays(e)
		switch {
		case why != "":
			named = append(named, e.order.Slot.String()+": "+why)
		case all:
			named = append(named, e.order.Slot.String()+" is on its way")
		}
	}
	return slices.Compact(named)
}

// whyStays is what keeps an instance on its node for longer than moving it
// takes; "" where nothing does.
func (p *pass) whyStays(e *entry) string {
	n := &p.nodes[e.node]
	i, known := p.byName[e.order.Slot.Workload]
	switch {
	case !n.fresh():
		return "the node is silent"
	case e.order.Stop || e.retired || !known:
		return ""
	}
	goal, _ := p.facts.Rollouts[i].goal()
	switch {
	case goal == nil:
		return ""
	case holdsVolume(goal), p.hasDataThere(e, goal):
		return volumeThere
	case goal.Kind.Runs():
		return "it runs to its end there"
	}
	if why := p.stays[e.order.Slot]; why != "" {
		return why
	}
	if why := p.waitsFor(int(i), goal); why != "" {
		return why
	}
	if r := &p.facts.Rollouts[i]; r.Stage == Stuck { // and nothing else moves it
		return "its update failed: " + r.Reason
	}
	return ""
}

// hasDataThere is whether a stateful slot's home, on the instance's node, has the
// volumes of an earlier text: they are its data, and tie it as its own would.
func (p *pass) hasDataThere(e *entry, goal *schema.Workload) bool {
	if goal.Kind != schema.Stateful {
		return false
	}
	at := p.homeAt(e.order.Slot)
	return at >= 0 && !p.facts.Volumes[at].Bare && p.facts.Volumes[at].Node == p.nodes[e.node].fact.Name
}

// waitsFor names the instance of a workload that others wait for and that is not
// as it should be, where that is longer so than it takes to start.
func (p *pass) waitsFor(i int, goal *schema.Workload) string {
	group := p.groupAt(i)
	for j := range group {
		e := &group[j]
		if e.order == nil || e.order.Stop || e.retired || p.serves(e) {
			continue
		}
		name := e.order.Slot.String() + " on " + p.nodes[e.node].fact.Name
		if e.inst != nil && e.inst.Failure != nil {
			return "it waits for " + name + ": " + e.inst.Failure.Text
		}
		until := p.watched(e.order.Placed).Add(goal.Update.HealthyDeadline.D())
		if !until.After(p.in.Now) {
			return "it waits for " + name + ", which is not healthy"
		}
		p.wakeAt(until)
	}
	if g := &p.outcome[i].gate; !g.open() {
		return g.why.Text
	}
	if waiting := p.outcome[i].waiting; waiting != "" {
		return "held up: " + waiting
	}
	for index := range goal.Replicas { // others go first, and cannot
		slot := schema.Slot{Workload: goal.Name, Index: index}
		if why := p.stays[slot]; why != "" {
			return "it waits for " + slot.String() + ": " + why
		}
	}
	return ""
}
