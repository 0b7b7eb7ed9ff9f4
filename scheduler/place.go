package scheduler

import (
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Place gives each request, in the order given, the best node that can take
// it, and counts what it gave away against those that follow. It changes
// nothing in pool. Placements and Unplaced keep the requests' order.
func Place(pool Pool, requests []Request) (placed []Placement, unplaced []Unplaced) {
	p := Pool{Nodes: slices.Clone(pool.Nodes)}
	for i := range requests {
		if got, ok := p.Take(&requests[i]); ok {
			placed = append(placed, got)
		} else {
			unplaced = append(unplaced, Unplaced{requests[i].Slot, p.Explain(&requests[i])})
		}
	}
	return placed, unplaced
}

// Take places one request and reserves its place in p, whose nodes' slices and
// maps are replaced, never written to.
func (p *Pool) Take(r *Request) (Placement, bool) {
	best := -1
	var score Score
	for i := range p.Nodes {
		if f, _ := refuse(&p.Nodes[i], r); f >= 0 {
			continue
		}
		s := Weigh(&p.Nodes[i], r)
		if best < 0 || better(&p.Nodes[i], s, &p.Nodes[best], score, r) {
			best, score = i, s
		}
	}
	if best < 0 {
		return Placement{}, false
	}
	n := &p.Nodes[best]
	ports := choosePorts(n, r)
	n.reserve(r.Workload, ports)
	return Placement{Slot: r.Slot, Node: n.Node.Name, Ports: ports, Score: score}, true
}

// better settles ties by rule: the higher score, then fewer slots of the
// workload, then the name, which is the order of the nodes.
func better(a *Node, sa Score, b *Node, sb Score, r *Request) bool {
	if sa.Total() != sb.Total() {
		return sa.Total() > sb.Total()
	}
	return a.crowd(r) < b.crowd(r)
}

// crowd is how many slots of the workload are on the node beside the one that
// is placed.
func (n *Node) crowd(r *Request) int {
	k := n.Slots[r.Workload.Name]
	if r.Leaves != "" && r.Leaves == n.Node.Name {
		k--
	}
	return k
}

// Weigh is how well a feasible node suits the request: the best fit of Borg
// and Nomad, 20 − (10^freeCPU + 10^freeMemory) with the free shares after
// placement, brought to 0–1000, less what crowding costs: 500 for the first
// slot of the workload already there, towards 1000.
func Weigh(n *Node, r *Request) Score {
	after := n.Reserved.Plus(nodes.Capacity{CPU: r.Workload.Resources.CPU, Memory: r.Workload.Resources.Memory})
	cpu := freeShare(int64(after.CPU), int64(n.Node.Allocatable.CPU))
	mem := freeShare(int64(after.Memory), int64(n.Node.Allocatable.Memory))
	s := Score{Fit: int(math.Round((20 - tenTo(cpu) - tenTo(mem)) / 18 * 1000))}
	if k := n.crowd(r); k > 0 {
		s.Spread = -1000 * k / (k + 1)
	}
	if r.Avoid != "" && r.Avoid == n.Node.Name {
		s.Avoid = -1000
	}
	return s
}

// tenTo is 10^x; math.Pow, which is exact for more than we ask, takes twice as
// long, and placing is little else.
func tenTo(x float64) float64 { return math.Exp(x * math.Ln10) }

func freeShare(used, total int64) float64 {
	if total <= 0 {
		return 0
	}
	return 1 - float64(used)/float64(total)
}

// Without is n as it would be if an instance of w that holds ports were gone
// from it. n itself stays as it is.
func (n Node) Without(w *schema.Workload, ports map[string]int) Node {
	if w != nil {
		n.Reserved = n.Reserved.Minus(nodes.Capacity{CPU: w.Resources.CPU, Memory: w.Resources.Memory})
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

func (n *Node) reserve(w *schema.Workload, ports map[string]int) {
	n.Reserved = n.Reserved.Plus(nodes.Capacity{CPU: w.Resources.CPU, Memory: w.Resources.Memory})
	held := slices.Clone(n.Ports)
	for _, p := range ports {
		held = append(held, p)
	}
	slices.Sort(held)
	n.Ports = held
	slots := maps.Clone(n.Slots)
	if slots == nil {
		slots = map[string]int{}
	}
	slots[w.Name]++
	n.Slots = slots
}

// choosePorts gives fixed ports as asked and dynamic ones from the node's
// range, starting at a point that comes from the slot, so that a slot tends to
// keep its port and a port just given up is not the next one given out.
func choosePorts(n *Node, r *Request) map[string]int {
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
			ports[name] = dynamicPort(n, r.Slot, name, taken)
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

// Explain counts, per filter, the nodes that refuse the request, with the
// nearest miss of each.
func (p *Pool) Explain(r *Request) Why {
	type tally struct {
		nodes int
		by    int64
		near  *Node
	}
	var tallies [filterCount]tally
	for i := range p.Nodes {
		f, by := refuse(&p.Nodes[i], r)
		if f < 0 {
			continue
		}
		t := &tallies[f]
		t.nodes++
		if t.near == nil || by < t.by {
			t.by, t.near = by, &p.Nodes[i]
		}
	}
	why := Why{Nodes: len(p.Nodes)}
	for f, t := range tallies {
		if t.nodes > 0 {
			why.Refusals = append(why.Refusals, Refusal{filterNames[f], t.nodes, missText(f, t.near, r)})
		}
	}
	return why
}

// String is one sentence: "0 of 3 nodes can take it: 2 lack memory (needs …)".
func (w *Why) String() string {
	if w.Nodes == 0 {
		return "no node has joined"
	}
	parts := make([]string, len(w.Refusals))
	for i, r := range w.Refusals {
		parts[i] = strconv.Itoa(r.Nodes) + " refused by " + r.Filter + " (" + r.Nearest + ")"
	}
	return "none of " + strconv.Itoa(w.Nodes) + " nodes can take it: " + strings.Join(parts, "; ")
}
