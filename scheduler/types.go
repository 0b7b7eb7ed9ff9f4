package scheduler

import (
	"fmt"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Pool is the nodes that may take work and what they already hold.
type Pool struct {
	// Nodes are sorted by name.
	Nodes []Node
	// Tree are the shares that the nodes are divided into, sorted by name. A pool
	// that is not among them is all nodes of that name.
	Tree Tree
	// Use is what each pool's work holds already, by name; of those in Tree that
	// hold any.
	Use map[string]Use
	// Holder names the slot that holds a host port of a node, for explanations
	// alone; "" is nobody known. It may be nil.
	Holder func(node string, port int) string `json:"-"`
}

// Use is what work holds.
type Use struct {
	CPU    schema.CPU
	Memory schema.Bytes
	Slots  int
}

// Plus is what is held with one slot of w more.
func (u Use) Plus(w *schema.Workload) Use {
	more := amountsOf(w)
	return Use{CPU: schema.CPU(add(int64(u.CPU), more[0])), Memory: schema.Bytes(add(int64(u.Memory), more[1])), Slots: u.Slots + 1}
}

// Node is one candidate.
type Node struct {
	Node *nodes.Node
	// Reserved is the sum of the requests of all orders on the node, stopping
	// and unconfirmed ones included (I3).
	Reserved nodes.Capacity
	// Ending is the part of Reserved whose orders were told to stop to make room
	// for others. Who finds no place now and would fit then has it kept.
	Ending nodes.Capacity
	// Ends are those orders: what each holds of its pool, of goods and of ports.
	Ends []Ended
	// Goods is what those orders hold beside: "disk" in bytes, "device.NAME" in
	// pieces.
	Goods map[string]int64
	// Ports are the host ports that those orders hold, sorted.
	Ports []int
	// Closed is why the node takes no work at all now ("unreachable"); empty
	// when it does.
	Closed string
	// Keeps is whether a closed node takes what is at home there nevertheless.
	Keeps bool
	// Slots counts the orders on the node by workload, for spreading. Only
	// those of the workloads asked for, or that these ask to be near to, need be
	// there.
	Slots map[string]int
}

// Request is one slot that wants a place.
type Request struct {
	Slot     schema.Slot
	Workload *schema.Workload
	// Only restricts the request to one node ("" is any): a daemon's slot.
	Only string
	// Stays is whether its data is on that one node: the rules for where it may
	// be counted when it was first placed there.
	Stays bool
	// Home is whether the slot is at home on that one node, and is no new work
	// for it.
	Home bool
	// Ports are host ports by name that the slot had there, and is given again
	// where nobody else has them; it may be nil.
	Ports map[string]int
	// Together is whether it is placed with all requests of its workload that
	// say so, or not at all.
	Together bool
	// Except are nodes that cannot take it, sorted or not: an instance of the
	// same name is still ending there, or is the one that is to leave.
	Except []string
	// Leaves is the node of the instance that it takes over from ("" is none):
	// that one does not count as crowding, since it goes.
	Leaves string
	// Avoid are nodes that are taken only if no other fits nearly as well: where
	// the workload failed lately.
	Avoid []string
}

// Placement is the place that a request got.
type Placement struct {
	Slot schema.Slot
	Node string
	// Ports are the host ports in the order of their names; ByName tells which is
	// whose.
	Ports []int
	Score Score
}

// Score tells how a place was chosen; higher is better. All parts are in
// thousandths.
type Score struct {
	// Fit is how full the node's cpu and memory are after placement, 0–1000; how
	// empty in a pool that spreads.
	Fit int16
	// Avoid is −1000 on a node where the workload failed lately.
	Avoid int16
	// Spread is minus the share of the workload's slots already there, 0 to
	// −1000, and what slots above the share of its zone (or other attribute) cost.
	Spread int32
	// Affinity sums the weights of the wishes about attributes that the node
	// fulfils.
	Affinity int32 `json:",omitempty"`
	// Near sums the weights of the workloads that are near, less those that are
	// not to be.
	Near int32 `json:",omitempty"`
}

// Total is the sum that places are compared by.
func (s Score) Total() int {
	return int(s.Fit) + int(s.Spread) + int(s.Avoid) + int(s.Affinity) + int(s.Near)
}

// String is "812 (fit 760, spread 0, affinity 52)": the parts that every score
// has, and those others that count.
func (s Score) String() string {
	text := fmt.Sprintf("%d (fit %d, spread %d", s.Total(), s.Fit, s.Spread)
	for _, part := range []struct {
		name  string
		value int32
	}{{"affinity", s.Affinity}, {"near", s.Near}, {"avoid", int32(s.Avoid)}} {
		if part.value != 0 {
			text += fmt.Sprintf(", %s %d", part.name, part.value)
		}
	}
	return text + ")"
}

// Unplaced is a request that fits nowhere now, and why.
type Unplaced struct {
	Slot schema.Slot
	Why  *Why
	// Waits is the node where room is kept for it, once what was told to stop
	// there has ended.
	Waits string
}

// Why counts, per filter, the nodes that it refused.
type Why struct {
	// Nodes is how many were looked at.
	Nodes int
	// Refusals are in the order of the filters; a node counts at the first that
	// refused it.
	Refusals []Refusal
	// Never is set where no node could take the request were it empty, and tells
	// the largest.
	Never string `json:",omitempty"`
	// Gang is set where the slots are placed all or none, and tells how many fit.
	Gang string `json:",omitempty"`
}

// Refusal is one filter's part.
type Refusal struct {
	// Filter is "limit" or "guarantee" of the pool, which refuse all nodes, or
	// "node", "closed", "ending", "amount", "pool", "taint", "constraint",
	// "guarantee" of nodes that are held for others, "near", "most", "cpu",
	// "memory", "disk", "device" or "port".
	Filter string
	Nodes  int
	// Nearest tells the nearest miss with amounts.
	Nearest string
	// Volume is the host volume that the nearest miss lacks; empty where it lacks
	// something else.
	Volume string `json:",omitempty"`
}

// Ended is an order that was told to stop to make room for others.
type Ended struct {
	Workload *schema.Workload
	Ports    map[string]int
}
