package reconciler

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// Plan is what a pass decided. A pass that finds all well changes nothing: no
// Changes, no Assignments, Facts equal to the Input's.
type Plan struct {
	// Changes are the steps taken now, sorted by slot.
	Changes []Change
	// Assignments are the new ones of the nodes whose orders changed, sorted by
	// node; all others stay in force.
	Assignments []nodes.Assignment
	// Facts are to be recorded before the Assignments are delivered.
	Facts Facts
	// FactsChanged is whether Facts differ from the Input's.
	FactsChanged bool
	// Blocked is what wants to go on and cannot, sorted by workload, with why.
	Blocked []Blocked
	// Wake is the next instant at which a pass could decide otherwise on the
	// same input; zero is never.
	Wake time.Time
}

// Change is one step: an instance placed or stopped, and why.
type Change struct {
	Slot   schema.Slot
	Node   string
	Digest schema.Digest
	Stop   bool
	Reason nodes.Reason
	// Why tells for whom an evicted instance has to go, and by what right.
	Why string
	// Score tells how the place was chosen; empty for a stop.
	Score scheduler.Score
}

// Blocked is one thing that waits, with its cause and what to do.
type Blocked struct {
	Workload string
	// Slot is the one that waits; its Workload is empty where all do.
	Slot schema.Slot
	// Node is the one that it is about where it is about no workload.
	Node string
	Code string
	Text string
	// Next is what a person can do about it; may be empty.
	Next string
	// Why is set where the scheduler found no place.
	Why *scheduler.Why
}

// plan writes the new Assignments and gathers what the pass found.
func (p *pass) plan() Plan {
	out := Plan{Changes: p.changes, Wake: p.wake}
	out.Assignments = p.assignments()
	slices.SortFunc(out.Changes, func(a, b Change) int {
		return cmp.Or(a.Slot.Compare(b.Slot), strings.Compare(a.Node, b.Node), strings.Compare(string(a.Digest), string(b.Digest)))
	})
	out.Blocked = p.allBlocked()
	out.Facts, out.FactsChanged = p.facts, p.dirty
	return out
}

// assignments applies the edits, node by node, and reissues under this epoch
// what a former leader ordered (I20), once the node has told what that was.
func (p *pass) assignments() (all []nodes.Assignment) {
	slices.SortStableFunc(p.edits, func(a, b edit) int {
		return cmp.Or(int(a.node-b.node), strings.Compare(a.order.ID, b.order.ID))
	})
	slices.SortStableFunc(p.deletions, func(a, b deletion) int {
		return cmp.Or(int(a.node-b.node), a.order.Slot.Compare(b.order.Slot))
	})
	edits, deletions := p.edits, p.deletions
	for i := range p.nodes {
		k := 0
		for k < len(edits) && int(edits[k].node) == i {
			k++
		}
		was := &p.nodes[i].fact.Assignment
		gone := deletions
		for len(gone) > 0 && int(gone[0].node) == i {
			gone = gone[1:]
		}
		mine := deletions[:len(deletions)-len(gone)]
		if deletions = gone; k > 0 || len(mine) > 0 || was.Version.Epoch != p.in.Epoch && p.nodes[i].seen != nil {
			next := nodes.Assignment{Node: was.Node, Version: nodes.Version{Epoch: p.in.Epoch, Serial: was.Version.Serial + 1}}
			next.Orders = apply(was.Orders, edits[:k], next.Version)
			next.Deletions = applyDeletions(was.Deletions, mine, next.Version)
			all = append(all, next)
		}
		edits = edits[k:]
	}
	for i := range all {
		p.editNodes()
		at, _ := slices.BinarySearchFunc(p.facts.Nodes, all[i].Node, compareNodeFact)
		f := &p.facts.Nodes[at]
		// What a node knew cannot be told any more once it is ordered anew.
		f.Unaware = unaware(f, &all[i])
		f.Ahead = f.Ahead || f.Assignment.Version.Epoch != p.in.Epoch && p.nodes[at].seen == nil
		f.Assignment = all[i]
	}
	return all
}

// apply merges edits, sorted by ID, into orders, sorted by ID; of two edits for
// one ID the later holds.
func apply(orders []nodes.Order, edits []edit, v nodes.Version) []nodes.Order {
	out := make([]nodes.Order, 0, len(orders)+len(edits))
	for len(orders) > 0 || len(edits) > 0 {
		if len(edits) == 0 || len(orders) > 0 && orders[0].ID < edits[0].order.ID {
			out, orders = append(out, orders[0]), orders[1:]
			continue
		}
		id := edits[0].order.ID
		if len(orders) > 0 && orders[0].ID == id {
			orders = orders[1:]
		}
		last := edits[0]
		for len(edits) > 0 && edits[0].order.ID == id {
			last, edits = edits[0], edits[1:]
		}
		if !last.drop {
			last.order.Since = v
			out = append(out, last.order)
		}
	}
	return out
}

// applyDeletions is apply's like, for edits that are one for a slot at most.
func applyDeletions(was []nodes.Deletion, edits []deletion, v nodes.Version) []nodes.Deletion {
	if len(edits) == 0 {
		return was
	}
	out := slices.Clone(was)
	for _, e := range edits {
		out = slices.DeleteFunc(out, func(d nodes.Deletion) bool { return d.Slot == e.order.Slot })
		if !e.drop {
			e.order.Since = v
			out = append(out, e.order)
		}
	}
	slices.SortFunc(out, func(a, b nodes.Deletion) int { return a.Slot.Compare(b.Slot) })
	return out
}

func (p *pass) allBlocked() []Blocked {
	all := p.blocked
	for i := range p.in.Unresolved {
		u := &p.in.Unresolved[i]
		all = append(all, Blocked{Workload: u.Workload, Code: string(u.Failure.Code), Text: u.Failure.Text, Next: unresolvedNext(u.Failure.Code)})
	}
	if p.paused {
		all = append(all, Blocked{Code: "nodes-silent", Text: "more than a third of the nodes are silent; nothing is replaced until they return",
			Next: "look at the network between server and nodes: bayplan node ls"})
	}
	all = append(all, p.poolTroubles()...)
	slices.SortStableFunc(all, func(a, b Blocked) int {
		return cmp.Or(strings.Compare(a.Workload, b.Workload), a.Slot.Compare(b.Slot))
	})
	return all
}

func unresolvedNext(c nodes.FailureCode) string {
	switch c {
	case nodes.ImageNotFound:
		return "correct the image's name or tag, or push the image"
	case nodes.ImageUnauthorized:
		return "give the server the registry's password (docker login where it runs, or its --registry-auth), or correct the image's name"
	}
	return "see that the server reaches the registry; it is asked again by itself"
}
