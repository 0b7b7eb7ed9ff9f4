package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// mixedNode is a small one of some size, in one of two zones, perhaps with a
// device, of which one to three dynamic ports are left.
func mixedNode(t *rapid.T, name string) scheduler.Node {
	n := node(name)
	n.Node.Allocatable = nodes.Capacity{CPU: schema.CPU(rapid.IntRange(2, 12).Draw(t, "cpu")), Memory: schema.Bytes(rapid.IntRange(2, 12).Draw(t, "memory"))}
	n.Node.PortMax = n.Node.PortMin + rapid.IntRange(0, 2).Draw(t, "ports")
	n.Node.Attributes = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone"), "device.gpu": rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "gpus")}
	return n
}

func mixedNodes(t *rapid.T, most int) (p scheduler.Pool) {
	for i := range rapid.IntRange(1, most).Draw(t, "nodes") {
		p.Nodes = append(p.Nodes, mixedNode(t, fmt.Sprintf("n%d", i)))
	}
	return p
}

// mixedRequests are requests of all sizes and rules, alone or in groups of two or
// three, none of which goes before another.
func mixedRequests(t *rapid.T, most int) (all []scheduler.Request) {
	for want := rapid.IntRange(1, most).Draw(t, "requests"); len(all) < want; {
		w := mixedWork(t, fmt.Sprintf("t/w%d", len(all)))
		r := request(w, 0)
		switch name := fmt.Sprintf("n%d", rapid.IntRange(0, 4).Draw(t, "node")); rapid.IntRange(0, 9).Draw(t, "special") {
		case 0:
			r.Only = name
		case 1, 2:
			r.Except = []string{name}
		}
		for i := range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "slots") {
			r.Slot.Index = i
			all = append(all, r)
		}
	}
	return all
}

func mixedWork(t *rapid.T, name string) *schema.Workload {
	w := work(name)
	w.Resources = schema.Resources{CPU: schema.CPU(rapid.IntRange(0, 7).Draw(t, "cpu")), Memory: schema.Bytes(rapid.IntRange(0, 7).Draw(t, "memory"))}
	if rapid.IntRange(0, 3).Draw(t, "zoned") == 0 {
		w.Constraints = []schema.Constraint{{Attribute: "zone", Op: "=", Value: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")}}
	}
	switch rapid.IntRange(0, 5).Draw(t, "port") {
	case 0:
		w.Ports = map[string]schema.Port{"p": {Container: 80, Host: 8080}}
	case 1:
		w.Ports = map[string]schema.Port{"p": {Container: 80}}
	}
	if rapid.IntRange(0, 3).Draw(t, "bounded") == 0 {
		w.MaxPer = map[string]int{rapid.SampledFrom([]string{"node", "zone"}).Draw(t, "over"): 1}
	}
	if rapid.IntRange(0, 4).Draw(t, "gpu") == 0 {
		w.Resources.Devices = map[string]schema.Device{"gpu": {Count: 1}}
	}
	return w
}

// mostOf is how many of the requests can have a place at once: every way to place
// them is tried, by rules told once more here.
type mostOf struct {
	nodes    []scheduler.Node
	requests []scheduler.Request
	on       [][]int // the requests on each node
	best     int
}

func placeable(pool scheduler.Pool, requests []scheduler.Request) int {
	m := mostOf{nodes: pool.Nodes, requests: requests, on: make([][]int, len(pool.Nodes))}
	m.from(0, 0)
	return m.best
}

func (m *mostOf) from(i, placed int) {
	m.best = max(m.best, placed)
	if placed+len(m.requests)-i <= m.best {
		return
	}
	for n := range m.nodes {
		if m.takes(n, i) {
			m.on[n] = append(m.on[n], i)
			m.from(i+1, placed+1)
			m.on[n] = m.on[n][:len(m.on[n])-1]
		}
	}
	m.from(i+1, placed)
}

func (m *mostOf) takes(n, i int) bool {
	r, node := &m.requests[i], m.nodes[n].Node
	w := r.Workload
	if r.Only != "" && r.Only != node.Name || slices.Contains(r.Except, node.Name) {
		return false
	}
	if len(w.Constraints) > 0 && node.Attributes["zone"] != w.Constraints[0].Value {
		return false
	}
	cpu, mem, gpus, fixed, dynamic := schema.CPU(0), schema.Bytes(0), 0, 0, 0
	for _, k := range append(slices.Clone(m.on[n]), i) {
		o := m.requests[k].Workload
		cpu, mem, gpus = cpu+o.Resources.CPU, mem+o.Resources.Memory, gpus+o.Resources.Devices["gpu"].Count
		for _, p := range o.Ports {
			if p.Host > 0 {
				fixed++
			} else {
				dynamic++
			}
		}
	}
	have := int(node.Attributes["device.gpu"][0] - '0')
	return cpu <= node.Allocatable.CPU && mem <= node.Allocatable.Memory && gpus <= have && fixed <= 1 &&
		dynamic <= node.PortMax-node.PortMin+1 && m.within(n, w)
}

// within is whether one more of w on a node keeps to how many may be together.
func (m *mostOf) within(n int, w *schema.Workload) bool {
	for over := range w.MaxPer {
		for at := range m.nodes {
			if over == "node" && at != n || m.nodes[at].Node.Attributes["zone"] != m.nodes[n].Node.Attributes["zone"] {
				continue
			}
			if slices.ContainsFunc(m.on[at], func(k int) bool { return m.requests[k].Workload == w }) {
				return false
			}
		}
	}
	return true
}

// TestPlace_AsManyAsAnyWay: where no order matters, as many requests of whatever
// sizes and rules have a place as any way to place them could give.
func TestPlace_AsManyAsAnyWay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, requests := mixedNodes(rt, 5), mixedRequests(rt, 8)
		placed, unplaced := scheduler.Place(pool, requests)
		checkPlaced(rt, pool, requests, placed, unplaced)
		if most := placeable(pool, requests); len(placed) != most {
			rt.Fatalf("%d have a place, %d could have one", len(placed), most)
		}
	})
}

// TestPlace_AsManyOfTheFirst: where priorities matter, as many of the highest have a
// place as if there were no others.
func TestPlace_AsManyOfTheFirst(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, requests := mixedNodes(rt, 4), mixedRequests(rt, 7)
		var first []scheduler.Request
		for _, r := range requests {
			if r.Slot.Index == 0 {
				r.Workload.Priority = rapid.IntRange(0, 1).Draw(rt, "priority")
			}
			if r.Workload.Priority == 1 {
				first = append(first, r)
			}
		}
		placed, unplaced := scheduler.Place(pool, requests)
		checkPlaced(rt, pool, requests, placed, unplaced)
		got := 0
		for _, p := range placed {
			if slices.ContainsFunc(first, func(r scheduler.Request) bool { return r.Slot == p.Slot }) {
				got++
			}
		}
		if most := placeable(pool, first); got != most {
			rt.Fatalf("%d of priority 1 have a place, %d could have one", got, most)
		}
	})
}

// TestPlace_LargeAndSmall: of equals as many as can be have a place, though the
// large one came first; but no pool gives up for another what it got, nor does
// what goes first for what goes later.
func TestPlace_LargeAndSmall(t *testing.T) {
	for _, c := range []struct {
		pool     string
		priority int
		want     string
	}{{"a", 0, "a/1 a/2"}, {"b", 0, "a/3"}, {"a", 1, "a/3"}} {
		pool := scheduler.Pool{Nodes: []scheduler.Node{node("n1")}, Tree: scheduler.Tree{{Name: "a", Parent: "default"}, {Name: "b", Parent: "default"}, {Name: "default"}}}
		var requests []scheduler.Request
		for i, cpu := range []schema.CPU{1000, 1000, 2000} {
			w := work(fmt.Sprintf("a/%d", i+1))
			w.Pool, w.Resources = "a", schema.Resources{CPU: cpu}
			if cpu == 2000 {
				w.Pool, w.Priority = c.pool, c.priority
			}
			requests = append(requests, request(w, 0))
		}
		slices.Reverse(requests)
		placed, _ := scheduler.Place(pool, requests)
		var got []string
		for _, p := range placed {
			got = append(got, p.Slot.Workload)
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("the large one in pool %s, priority %d: %s have a place, want %s", c.pool, c.priority, text, c.want)
		}
	}
}

// TestPlace_NoRuleKeepsThemAll: of four requests a node takes the first two or the
// last two. With another that takes one of a pair alone, three have a place only if
// that pair is parted: more placed may be others placed, whichever pair was chosen.
func TestPlace_NoRuleKeepsThemAll(t *testing.T) {
	sized := func(name string, cpu schema.CPU, mem schema.Bytes) scheduler.Node {
		n := node(name)
		n.Node.Allocatable = nodes.Capacity{CPU: cpu, Memory: mem}
		return n
	}
	var requests []scheduler.Request
	for _, c := range []schema.Resources{{CPU: 1, Memory: 9}, {CPU: 9, Memory: 1}, {CPU: 2, Memory: 8}, {CPU: 8, Memory: 2}} {
		w := work(fmt.Sprintf("a/%d-%d", c.CPU, c.Memory))
		w.Resources = c
		requests = append(requests, request(w, 0))
	}
	for _, c := range []struct {
		more *scheduler.Node
		want string
	}{{nil, "a/1-9 a/9-1"}, {new(sized("n2", 1, 9)), "a/1-9 a/2-8 a/8-2"}, {new(sized("n2", 2, 8)), "a/1-9 a/9-1 a/2-8"}} {
		pool := scheduler.Pool{Nodes: []scheduler.Node{sized("n1", 10, 10)}}
		if c.more != nil {
			pool.Nodes = append(pool.Nodes, *c.more)
		}
		placed, _ := scheduler.Place(pool, requests)
		var got []string
		for _, p := range placed {
			got = append(got, p.Slot.Workload)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s have a place, want %s", text, c.want)
		}
	}
}

// TestPlace_ANodeMoreUnplacesNone: whatever the sizes and rules, with a node more
// no fewer have a place.
func TestPlace_ANodeMoreUnplacesNone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, requests := mixedNodes(rt, 5), mixedRequests(rt, 10)
		before, _ := scheduler.Place(pool, requests)
		at := rapid.IntRange(0, len(pool.Nodes)).Draw(rt, "before")
		pool.Nodes = slices.Insert(slices.Clone(pool.Nodes), at, mixedNode(rt, fmt.Sprintf("n%d+", at-1)))
		if after, _ := scheduler.Place(pool, requests); len(after) < len(before) {
			rt.Fatalf("%d places, and %d with a node more", len(before), len(after))
		}
	})
}
