package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// readNodes goes over every node once: its own line, and its instances to
// their workloads.
func (b *builder) readNodes() {
	b.nodes = []Node{}
	for i := range b.in.Facts.Nodes {
		f := &b.in.Facts.Nodes[i]
		seen := b.in.Observed.Node(f.Name)
		n := nodeOf(f, seen, &b.in)
		b.nodes = append(b.nodes, n)
		b.readOrders(f, seen, &n)
	}
	for _, slots := range b.slots {
		slices.SortFunc(slots, func(x, y Slot) int {
			sx, _ := schema.ParseSlot(x.Slot)
			sy, _ := schema.ParseSlot(y.Slot)
			return cmp.Or(sx.Compare(sy), strings.Compare(x.Node, y.Node), strings.Compare(string(x.Digest), string(y.Digest)))
		})
	}
}

func nodeOf(f *reconciler.NodeFact, seen *nodes.Seen, in *Input) Node {
	n := Node{Name: f.Name, Runtime: f.Node.Runtime, Address: f.Node.Address, Version: f.Node.Version,
		Attributes: f.Node.Attributes, Allocatable: f.Node.Allocatable}
	if n.Attributes == nil {
		n.Attributes = map[string]string{}
	}
	n.Cordon = cordonOf(in.Facts.Cordons, f.Name)
	for i := range f.Assignment.Orders {
		if w := f.Assignment.Orders[i].Workload; w != nil && !in.Facts.Ended(f.Name, &f.Assignment.Orders[i]) {
			n.Reserved = n.Reserved.Plus(nodes.Capacity{CPU: w.Resources.CPU, Memory: w.Resources.Memory})
		}
	}
	n.State, n.Reason = nodeState(seen, in)
	if n.State == "ready" && n.Cordon != nil {
		n.State, n.Reason = closedState(n.Cordon, f)
	}
	if seen != nil {
		n.Heard = seen.At
	}
	return n
}

// lostAfter is when a node is called lost here; each workload has its own.
const lostAfter = 30 * time.Second

// nodeExpected is a node that the ledger knows and this run of the server has not
// heard yet, before its silence says anything.
const nodeExpected = "expected"

// refusedText begins the reason of a node that runs on by older orders.
const refusedText = "it does not take over its newest orders: "

func nodeState(seen *nodes.Seen, in *Input) (state, reason string) {
	heard := in.Started
	if seen != nil && seen.At.After(heard) {
		heard = seen.At
	}
	silence := in.Now.Sub(heard)
	switch {
	case silence >= lostAfter:
		return "lost", "silent for " + silence.Truncate(time.Second).String()
	case silence >= reconciler.UnreachableAfter:
		return "unreachable", "silent for " + silence.Truncate(time.Second).String()
	case seen == nil:
		return nodeExpected, "not heard since the server started"
	case seen.Report.Node.Trouble != "":
		return "troubled", seen.Report.Node.Trouble
	case seen.Refusal != "":
		return "troubled", refusedText + seen.Refusal
	}
	return "ready", ""
}

// readOrders pairs orders with what was reported, by ID.
func (b *builder) readOrders(f *reconciler.NodeFact, seen *nodes.Seen, n *Node) {
	ordered := map[string]bool{}
	for i := range f.Assignment.Orders {
		o := &f.Assignment.Orders[i]
		ordered[o.ID] = true
		if o.Step != nil {
			continue // its workload's runbook tells of it
		}
		var inst *nodes.Instance
		if seen != nil {
			inst = seen.Report.Instance(o.ID)
		}
		b.slots[o.Slot.Workload] = append(b.slots[o.Slot.Workload], slotOf(o, inst, n))
	}
	if seen == nil {
		return
	}
	for i := range seen.Report.Instances {
		if inst := &seen.Report.Instances[i]; !ordered[inst.ID] && inst.Outcome == nil {
			o := nodes.Order{ID: inst.ID, Slot: inst.Slot, Digest: inst.Digest, Ports: inst.Ports, Stop: true, Reason: nodes.Orphaned}
			b.slots[inst.Slot.Workload] = append(b.slots[inst.Slot.Workload], slotOf(&o, inst, n))
		}
	}
}

func slotOf(o *nodes.Order, inst *nodes.Instance, n *Node) Slot {
	s := Slot{Slot: o.Slot.String(), Node: n.Name, Digest: o.Digest, Ports: o.Ports, Address: n.Address,
		Stopping: o.Stop, Reason: string(o.Reason), Since: o.Placed}
	if inst != nil {
		s.Phase, s.Health, s.Container = inst.Phase, inst.Health, inst.Container
		s.Since, s.Started, s.Restarts, s.Failure = inst.Since, inst.Started, inst.Restarts, inst.Failure
	}
	s.Unknown = inst == nil && n.State == nodeExpected
	if n.State == "unreachable" || n.State == "lost" || n.State == nodeExpected {
		s.Health = nodes.HealthUnknown
	}
	if s.Ports == nil {
		s.Ports = map[string]int{}
	}
	return s
}
