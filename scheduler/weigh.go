package scheduler

import (
	"maps"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// crowding is what k slots of the workload on the node cost: 500 for the first,
// towards 1000.
func crowding(k int32) int32 {
	if k <= 0 {
		return 0
	}
	return -1000 * k / (k + 1)
}

// avoided is what a node costs that the request would rather not have.
const avoided = -1000

// lighter is n without what w reserves of cpu and memory.
func (n Node) lighter(w *schema.Workload) Node {
	n.Reserved = nodes.Capacity{CPU: schema.CPU(sub(int64(n.Reserved.CPU), int64(w.Resources.CPU))),
		Memory: schema.Bytes(sub(int64(n.Reserved.Memory), int64(w.Resources.Memory)))}
	return n
}

// without is n as it would be if an instance of w that holds ports were gone
// from it. n itself stays as it is.
func (n Node) without(w *schema.Workload, ports map[string]int) Node {
	if w != nil {
		n = n.lighter(w)
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
