package reconciler

import (
	"cmp"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// buildPool counts what every node holds: the requests of all its orders,
// stopping and unconfirmed ones included (I3), less those just found gone.
func (p *pass) buildPool() {
	pool := &scheduler.Pool{Nodes: make([]scheduler.Node, len(p.nodes)), Tree: p.tree(), Use: map[string]scheduler.Use{}}
	for i := range p.nodes {
		pool.Nodes[i] = scheduler.Node{Node: &p.nodes[i].fact.Node, Closed: p.closed(&p.nodes[i]), Keeps: p.keeps(&p.nodes[i]), Slots: map[string]int{}}
	}
	dropped, texts := p.dropped(), p.newTexts()
	for i := range p.entries {
		e := &p.entries[i]
		n := &pool.Nodes[e.node]
		if e.order == nil || dropped[dropKey{e.node, e.order.ID}] {
			n.Ports = appendPorts(n.Ports, e.strayPorts())
			continue
		}
		if p.facts.Ended(p.nodes[e.node].fact.Name, e.order) {
			continue
		}
		n.Ports = appendPorts(n.Ports, e.order.Ports)
		if w := cmp.Or(texts[dropKey{e.node, e.order.ID}], e.order.Workload); w != nil {
			n.Hold(w)
			pool.Use[w.Pool] = pool.Use[w.Pool].Plus(w)
		}
		if w := e.order.Workload; w != nil && e.order.Stop && e.order.Reason == nodes.Evicted {
			n.End(w, e.order.Ports)
		}
		if !e.order.Stop && e.order.Step == nil {
			n.Slots[e.order.Slot.Workload]++
		}
	}
	p.keepHomes(pool, dropped)
	for i := range pool.Nodes {
		slices.Sort(pool.Nodes[i].Ports)
		pool.Nodes[i].Ports = slices.Compact(pool.Nodes[i].Ports)
	}
	pool.Holder = p.portHolder
	p.pool = pool
}

func (e *entry) strayPorts() map[string]int {
	if e.inst == nil {
		return nil
	}
	return e.inst.Ports
}

type dropKey struct {
	node int32
	id   string
}

func (p *pass) dropped() map[dropKey]bool {
	m := map[dropKey]bool{}
	for i := range p.edits {
		if p.edits[i].drop {
			m[dropKey{p.edits[i].node, p.edits[i].order.ID}] = true
		}
	}
	return m
}

// newTexts are those that this pass gives to instances that stay: they may be of
// another pool from now on.
func (p *pass) newTexts() map[dropKey]*schema.Workload {
	m := map[dropKey]*schema.Workload{}
	for i := range p.edits {
		if e := &p.edits[i]; !e.drop {
			m[dropKey{e.node, e.order.ID}] = e.order.Workload
		}
	}
	return m
}

func appendPorts(to []int, ports map[string]int) []int {
	for _, port := range ports {
		to = append(to, port)
	}
	return to
}

// closed is why the node takes no work; empty when it does.
func (p *pass) closed(n *nodeView) string {
	switch {
	case n.seen == nil:
		return "not heard since the server started"
	case !n.fresh():
		return "unreachable"
	case n.seen.Report.Node.Trouble == "" && n.cordon != nil:
		return n.cordon.word()
	}
	if trouble := n.seen.Report.Node.Trouble; trouble != "" {
		return "troubled: " + trouble
	}
	return ""
}

// keeps is whether nothing but an operator's word closes the node: what is at
// home there is no new work until the node is drained.
func (p *pass) keeps(n *nodeView) bool {
	return n.cordon != nil && n.cordon.Drained.IsZero() && n.fresh() && n.seen.Report.Node.Trouble == ""
}
