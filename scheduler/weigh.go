package scheduler

import (
	"maps"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Weigh is how well a feasible node suits the request: the best fit of Borg
// and Nomad, 20 − (10^freeCPU + 10^freeMemory) with the free shares after
// placement, brought to 0–1000, less what crowding costs: 500 for the first
// slot of the workload already there, towards 1000.
func Weigh(n *Node, r *Request) Score {
	q := query{cpu: int64(r.Workload.Resources.CPU), mem: int64(r.Workload.Resources.Memory)}
	cpu, mem := n.free()
	capCPU, capMem := room(n.Node.Allocatable)
	s := Score{Fit: int(q.score(cpu, mem, capCPU, capMem)), Spread: crowding(n.crowd(r))}
	if r.Avoid != "" && r.Avoid == n.Node.Name {
		s.Avoid = avoided
	}
	return s
}

// crowding is what k slots of the workload on the node cost.
func crowding(k int) int {
	if k <= 0 {
		return 0
	}
	return -1000 * k / (k + 1)
}

// avoided is what a node costs that the request would rather not have.
const avoided = -1000

// crowd is how many slots of the workload are on the node beside the one that
// is placed.
func (n *Node) crowd(r *Request) int {
	k := n.Slots[r.Workload.Name]
	if r.Leaves != "" && r.Leaves == n.Node.Name {
		k--
	}
	return k
}

// Without is n as it would be if an instance of w that holds ports were gone
// from it. n itself stays as it is.
func (n Node) Without(w *schema.Workload, ports map[string]int) Node {
	if w != nil {
		n.Reserved = nodes.Capacity{CPU: schema.CPU(sub(int64(n.Reserved.CPU), int64(w.Resources.CPU))),
			Memory: schema.Bytes(sub(int64(n.Reserved.Memory), int64(w.Resources.Memory)))}
		n.Slots = maps.Clone(n.Slots)
		if n.Slots[w.Name] > 0 {
			n.Slots[w.Name]--
		}
	}
	held := slices.Clone(n.Ports)
	for _, p := range ports {
		if i, ok := slices.BinarySearch(held, p); ok {
			held = slices.Delete(held, i, i+1)
		}
	}
	n.Ports = held
	return n
}
