package reconciler

import (
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// What must have one live writer and may still be had elsewhere once its node is
// lost has a lease (see nodes.LeaseTime): its agent ends it by itself where the
// server is not heard, and the server waits until that is over. A lease counts
// only where the node is known to know of it; without one, what is on a silent
// node is waited for.

// hasLease is whether the workload's instances are to have leases.
func hasLease(w *schema.Workload) bool {
	if w.Kind.Runs() {
		return w.OnLost == schema.RetryElsewhere
	}
	return w.Kind == schema.Stateful && w.OnLost == schema.ReplaceElsewhere
}

// leases is whether an order for the workload on the node has a lease. An agent
// that knows no leases would refuse the order.
func (n *nodeView) leases(w *schema.Workload) bool { return hasLease(w) && n.fact.Node.Leases }

// over is whether nothing of an order can be at work any more on a node that is
// lost, as far as the workload cares: the lease that it had has run out.
func (p *pass) over(e *entry, w *schema.Workload) bool {
	n := &p.nodes[e.node]
	return p.lost(n, w) && (!hasLease(w) || n.bound(e.order))
}

// bound is whether the node ends the order by itself once it is cut off.
func (n *nodeView) bound(o *nodes.Order) bool {
	return o.Leased && n.fact.Node.Leases && !slices.Contains(n.fact.Unaware, o.ID)
}

// unaware are the orders of next that have a lease which the node may not know
// of: it had them without one, and has not shown yet that it has them with it.
func unaware(f *NodeFact, next *nodes.Assignment) (ids []string) {
	was := f.Assignment.Orders
	for i := range next.Orders {
		o := &next.Orders[i]
		for len(was) > 0 && was[0].ID < o.ID {
			was = was[1:]
		}
		if !o.Leased || len(was) == 0 || was[0].ID != o.ID {
			continue
		}
		if !was[0].Leased || slices.Contains(f.Unaware, o.ID) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// aware is Unaware without those that the report shows to be known.
func aware(f *NodeFact, r *nodes.Report) (ids []string) {
	for i := range f.Assignment.Orders {
		o := &f.Assignment.Orders[i]
		if r.Seen.Compare(o.Since) < 0 && slices.Contains(f.Unaware, o.ID) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// tellLease tells what a slot waits for whose instance may still be at work on a
// silent node; nothing where it is not to be had elsewhere anyhow.
func (p *pass) tellLease(e *entry, w *schema.Workload) {
	n := &p.nodes[e.node]
	if n.fresh() || p.over(e, w) {
		return
	}
	b := Blocked{Workload: e.order.Slot.Workload, Slot: e.order.Slot, Code: "lease-wait", Next: "bring " + n.fact.Name + " back; what it says: bayplan node ls"}
	if n.bound(e.order) {
		until := p.in.Now.Add(max(w.LostAfter.D(), nodes.LeaseWait) - n.silence)
		b.Text = fmt.Sprintf("it may still run on %s, which is silent; its lease there is over at %s, and it is started elsewhere then", n.fact.Name, until.UTC().Format("15:04:05 UTC"))
	} else if p.lost(n, w) {
		b.Code = "no-lease"
		b.Text = fmt.Sprintf("it may still run on %s, which is silent and does not know that it has a lease; it is not started elsewhere", n.fact.Name)
		b.Next += ". If it is gone for good: bayplan node rm " + n.fact.Name
	} else {
		return
	}
	p.blocked = append(p.blocked, b)
}
