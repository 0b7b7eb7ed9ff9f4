package scheduler

import (
	"hash/fnv"
	"maps"
	"slices"
	"sort"

	"github.com/bayplan/bayplan/schema"
)

// choosePorts gives fixed ports as asked and dynamic ones from the node's
// range, starting at a point that comes from the slot, so that a slot tends to
// keep its port and a port just given up is not the next one given out.
func choosePorts(n *Node, r *Request, slot schema.Slot) map[string]int {
	if len(r.Workload.Ports) == 0 {
		return nil
	}
	ports := make(map[string]int, len(r.Workload.Ports))
	taken := map[int]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.Workload.Ports)) {
		if h := r.Workload.Ports[name].Host; h != 0 {
			ports[name] = h
			taken[h] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Workload.Ports)) {
		if r.Workload.Ports[name].Host == 0 {
			ports[name] = dynamicPort(n, slot, name, taken)
			taken[ports[name]] = true
		}
	}
	return ports
}

// dynamicPort walks the range once; the caller has checked that one is free.
func dynamicPort(n *Node, slot schema.Slot, name string, taken map[int]bool) int {
	size := n.Node.PortMax - n.Node.PortMin + 1
	h := fnv.New32a()
	h.Write([]byte(slot.String() + "/" + name))
	start := int(h.Sum32() % uint32(size))
	for i := range size {
		p := n.Node.PortMin + (start+i)%size
		if !taken[p] && !has(n.Ports, p) && !has(n.Node.BusyPorts, p) {
			return p
		}
	}
	panic("scheduler: no free port on " + n.Node.Name + " though it was feasible")
}

// withPorts adds ports to those held, sorted; in place where the caller owns
// them.
func withPorts(held []int, ports map[string]int, own bool) []int {
	if !own {
		held = append(make([]int, 0, len(held)+2*len(ports)), held...)
	}
	for _, p := range ports {
		i, _ := slices.BinarySearch(held, p)
		held = slices.Insert(held, i, p)
	}
	return held
}

// lacksPorts is whether the node's range has too few ports left for w; one that
// wants none never lacks any, whatever the range.
func lacksPorts(n *Node, w *schema.Workload) bool {
	want := rangePorts(n, w)
	return want > 0 && freePorts(n) < want
}

// takenPort is the first fixed host port of w that is not free; 0 if all are.
func takenPort(n *Node, w *schema.Workload) int {
	taken := 0
	for _, p := range w.Ports {
		held := has(n.Ports, p.Host) || has(n.Node.BusyPorts, p.Host)
		if p.Host != 0 && held && (taken == 0 || p.Host < taken) {
			taken = p.Host
		}
	}
	return taken
}

// rangePorts is how many ports of the node's range w needs: its dynamic ones and
// those fixed ones that lie in it.
func rangePorts(n *Node, w *schema.Workload) (count int) {
	for _, p := range w.Ports {
		if p.Host == 0 || p.Host >= n.Node.PortMin && p.Host <= n.Node.PortMax {
			count++
		}
	}
	return count
}

// freePorts is how many of the node's range are left to choose from.
func freePorts(n *Node) int {
	free := n.Node.PortMax - n.Node.PortMin + 1
	inRange := func(p int) bool { return p >= n.Node.PortMin && p <= n.Node.PortMax }
	for _, p := range n.Ports {
		if inRange(p) {
			free--
		}
	}
	for _, p := range n.Node.BusyPorts {
		if inRange(p) && !has(n.Ports, p) {
			free--
		}
	}
	return free
}

func has(sorted []int, v int) bool {
	i := sort.SearchInts(sorted, v)
	return i < len(sorted) && sorted[i] == v
}
