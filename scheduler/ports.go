package scheduler

import (
	"slices"
	"sort"
	"strconv"

	"github.com/bayplan/bayplan/schema"
)

// ByName is the host ports of w, whose slot was placed, by their names.
func (p *Placement) ByName(w *schema.Workload) map[string]int {
	if len(p.Ports) == 0 {
		return nil
	}
	ports := make(map[string]int, len(p.Ports))
	for i, name := range portNames(nil, w) {
		ports[name] = p.Ports[i]
	}
	return ports
}

// portNames are those of w, sorted, appended to names.
func portNames(names []string, w *schema.Workload) []string {
	for name := range w.Ports {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// choosePorts gives fixed ports as asked, then those that the slot had, and else
// dynamic ones from the node's range, starting at a point that comes from the
// slot, so that a slot tends to keep its port and a port just given up is not the
// next one given out. names are the ports'.
func choosePorts(ports []int, n *Node, r *Request, slot schema.Slot, names []string) {
	for i, name := range names {
		ports[i] = r.Workload.Ports[name].Host
	}
	for i, name := range names {
		if p := r.Ports[name]; ports[i] == 0 && !slices.Contains(ports, p) && !has(n.Ports, p) && !has(n.Node.BusyPorts, p) {
			ports[i] = p
		}
	}
	for i, name := range names {
		if ports[i] == 0 {
			ports[i] = dynamicPort(n, slot, name, ports)
		}
	}
}

// dynamicPort walks the range once; the caller has checked that one is free.
func dynamicPort(n *Node, slot schema.Slot, name string, taken []int) int {
	size := n.Node.PortMax - n.Node.PortMin + 1
	start := int(portHash(slot, name) % uint32(size))
	for i := range size {
		p := n.Node.PortMin + (start+i)%size
		if !slices.Contains(taken, p) && !has(n.Ports, p) && !has(n.Node.BusyPorts, p) {
			return p
		}
	}
	panic("scheduler: no free port on " + n.Node.Name + " though it was feasible")
}

// portHash is FNV-1a of the slot's and the port's names. It is spelled out here
// since the standard one would have these names written to memory of their own.
func portHash(slot schema.Slot, name string) uint32 {
	var number [20]byte
	h := fnv(2166136261, slot.Workload)
	h = fnv(fnv(h, "."), strconv.AppendInt(number[:0], int64(slot.Index), 10))
	return fnv(fnv(h, "/"), name)
}

func fnv[T string | []byte](h uint32, text T) uint32 {
	for i := range len(text) {
		h = (h ^ uint32(text[i])) * 16777619
	}
	return h
}

// withPorts adds ports to those held, sorted; in place where the caller owns
// them.
func withPorts(held, ports []int, own bool) []int {
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
