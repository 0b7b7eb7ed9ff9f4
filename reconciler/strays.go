package reconciler

import (
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
)

// strays stops what runs without any order, but only on a node that has shown
// that it holds our newest Assignment: otherwise the order may be one that we
// do not know yet (I4).
func (p *pass) strays() {
	for i := range p.sorted {
		e := &p.sorted[i]
		n := &p.nodes[e.node]
		held := n.fact.Assignment.Version
		if e.order != nil || held == (nodes.Version{}) || !n.fresh() || n.seen.Report.Seen != held {
			continue
		}
		if p.leftAlone(e) {
			p.tellStranger(e)
			continue
		}
		p.edit(edit{node: e.node, order: nodes.Order{ID: e.inst.ID, Slot: e.inst.Slot, Digest: e.inst.Digest,
			Ports: e.inst.Ports, Stop: true, Reason: nodes.Orphaned, Placed: p.in.Now}})
		p.changes = append(p.changes, Change{Slot: e.inst.Slot, Node: n.fact.Name, Digest: e.inst.Digest, Stop: true, Reason: nodes.Orphaned})
	}
	ownerless := p.groupAt(len(p.facts.Rollouts))
	for i := range ownerless {
		p.retireOrForget(&ownerless[i], nodes.Removed)
	}
	for i := range p.nodes {
		p.tellOlder(&p.nodes[i])
	}
}

// leftAlone is whether the entry runs without any order and yet is not stopped:
// no order could name it, or its node was told more than this ledger knows.
func (p *pass) leftAlone(e *entry) bool {
	return e.order == nil && (misnamed(e.inst) || p.nodes[e.node].fact.Ahead)
}

// misnamed is whether the instance, which nobody ordered, is not named as an
// order for it would be. Such an order would be refused, and with it all others
// of the node.
func misnamed(x *nodes.Instance) bool { return x.ID != nodes.InstanceID(x.Slot, x.Digest) }

func (p *pass) tellStranger(e *entry) {
	if !misnamed(e.inst) {
		return // the node is told of as a whole
	}
	fact := p.nodes[e.node].fact
	p.blocked = append(p.blocked, Blocked{Code: "stray-container",
		Text: "container " + e.inst.ID + " on " + fact.Name + " has this cluster's labels and no order, and is not named for its slot and digest; it is left running",
		Next: "remove it on " + fact.Name + ": " + byHand(&fact.Node, e.inst.Container)})
}

// byHand is how a person ends a container on its node, past the agent. On the
// built-in runtime the agent ends what has lost its monitor, and only then is
// the folder nobody's.
func byHand(n *nodes.Node, container string) string {
	if engine, _, _ := strings.Cut(n.Runtime, " "); engine == "native" {
		return "kill its monitor (pgrep -af " + container + "), then stop the agent and delete the folder that the monitor was given"
	}
	return "docker rm -f " + container
}

// ahead is whether the node was told more than the ledger knows: orders are
// recorded before they go out (I32), so this is an older copy of the ledger. It
// lasts until nothing runs on the node that nobody ordered, and until then
// nothing of that is stopped (I38).
func ahead(f *NodeFact, r *nodes.Report) bool {
	known := f.Assignment.Version
	if f.Ahead && r.Seen == known && r.Inventory {
		return len(unordered(f, r)) > 0
	}
	return f.Ahead || r.Seen.Compare(known) > 0
}

// unordered are the IDs of what the node runs without an order, but for those
// that no order could name.
func unordered(f *NodeFact, r *nodes.Report) (ids []string) {
	for i := range r.Instances {
		x := &r.Instances[i]
		_, ordered := slices.BinarySearchFunc(f.Assignment.Orders, x.ID, func(o nodes.Order, id string) int { return strings.Compare(o.ID, id) })
		if !ordered && !misnamed(x) {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// toldStrays bounds how many containers a sentence names.
const toldStrays = 5

// tellOlder tells what is not stopped on a node that knows more than the ledger.
func (p *pass) tellOlder(n *nodeView) {
	if !n.fact.Ahead || n.seen == nil {
		return
	}
	ids := unordered(n.fact, &n.seen.Report)
	if len(ids) == 0 {
		return
	}
	if len(ids) > toldStrays {
		ids = append(ids[:toldStrays], "…")
	}
	p.blocked = append(p.blocked, Blocked{Code: "ledger-older",
		Text: n.fact.Name + " runs what it was told by a newer ledger than this one, which is an older copy; it is left running: " + strings.Join(ids, ", "),
		Next: "let the newest commit settle; then remove what is left over on " + n.fact.Name + ": " + byHand(&n.fact.Node, "CONTAINER")})
}
