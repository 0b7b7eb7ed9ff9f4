package scheduler_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// crowded is nodes that are full, what their orders are, and what may be spared.
type crowded struct {
	pool  scheduler.Pool
	on    [][]scheduler.Held
	spare map[string]int
}

func (c *crowded) held(node int) []scheduler.Held { return c.on[node] }

func (c *crowded) evict(asked ...scheduler.Request) []scheduler.Eviction {
	return scheduler.Open(c.pool).Evict(asked, c.held, maps.Clone(c.spare))
}

var crowdPools = []string{"other", "rest", "sure", "sure-part"}

// oddCrowd is orders of any kind on up to three nodes, in pools of which some are
// guaranteed something, of one resource or both, and perhaps lend it.
func oddCrowd(t *rapid.T) *crowded { return crowdOf(t, 6) }

// crowdOf is at most so many orders a node.
func crowdOf(t *rapid.T, most int) *crowded {
	c := &crowded{spare: map[string]int{}}
	c.pool.Use = map[string]scheduler.Use{}
	c.pool.Tree = scheduler.Tree{{Name: "default", Weight: 1}, {Name: "other", Parent: "default", Weight: 1}, {Name: "rest", Parent: "default", Weight: 1},
		{Name: "sure", Parent: "default", Weight: 1}, {Name: "sure-part", Parent: "sure", Weight: 1}}
	for _, name := range []string{"other", "sure", "sure-part"} {
		if p := c.pool.Tree.Find(name); rapid.IntRange(0, 3).Draw(t, name) > 0 {
			p.Guarantee = &schema.Quantity{CPU: schema.CPU(rapid.IntRange(0, 20).Draw(t, name) * 100), Memory: schema.Bytes(rapid.IntRange(0, 4).Draw(t, name)) << 29}
			p.Lend = rapid.IntRange(0, 3).Draw(t, "lends") == 0
		}
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "nodes") {
		n := node(fmt.Sprintf("n%d", i))
		var orders []scheduler.Held
		for free := 2000; ; {
			h := oddHeld(t, i*10+len(orders))
			if free -= int(h.Workload.Resources.CPU); free < 0 || len(orders) == most {
				break
			}
			n.Hold(h.Workload)
			for _, p := range h.Ports {
				if slices.Contains(n.Ports, p) {
					h.Ports = nil
				} else {
					n.Ports = append(n.Ports, p)
				}
			}
			w := h.Workload
			c.pool.Use[w.Pool] = c.pool.Use[w.Pool].Plus(w)
			c.spare[w.Name] = rapid.IntRange(0, 2).Draw(t, "spare")
			orders = append(orders, h)
		}
		c.on, c.pool.Nodes = append(c.on, orders), append(c.pool.Nodes, n)
	}
	return c
}

func oddHeld(t *rapid.T, index int) scheduler.Held {
	h := held(rapid.SampledFrom(oddNames).Draw(t, "workload"), schema.CPU(rapid.IntRange(1, 9).Draw(t, "cpu")*100), priority(rapid.IntRange(-1, 2).Draw(t, "priority")))
	w := h.Workload
	w.Resources.Memory = schema.Bytes(rapid.IntRange(0, 3).Draw(t, "memory")) << 28
	w.Revocable = rapid.IntRange(0, 3).Draw(t, "revocable") == 0
	w.Pool = rapid.SampledFrom(crowdPools).Draw(t, "pool")
	h.Slot.Index = index
	h.Fixed = rapid.IntRange(0, 4).Draw(t, "fixed") == 0
	h.Waits = h.Fixed && rapid.Bool().Draw(t, "waits")
	if rapid.IntRange(0, 2).Draw(t, "port") == 0 {
		h.Ports = map[string]int{"p": 8080}
	}
	return h
}

func oddAsked(t *rapid.T) scheduler.Request {
	asked := request(held("b/new", schema.CPU(rapid.IntRange(1, 20).Draw(t, "wants")*100), priority(rapid.IntRange(0, 2).Draw(t, "goes before"))).Workload, 0)
	w := asked.Workload
	w.Resources.Memory = schema.Bytes(rapid.IntRange(0, 4).Draw(t, "wants memory")) << 30
	w.Pool = rapid.SampledFrom(crowdPools).Draw(t, "its pool")
	if rapid.IntRange(0, 2).Draw(t, "wants port") == 0 {
		w.Ports = map[string]schema.Port{"p": {Container: 80, Host: 8080}}
	}
	return asked
}

// price is what victims cost by the words of DESIGN.md, the least first.
func price(victims []scheduler.Held) [5]int {
	c := [5]int{0, -1000, 0, len(victims), 0}
	for _, v := range victims {
		class := 1
		if v.Workload.Revocable {
			class = 0
		}
		if class > c[0] {
			c[0], c[1] = class, v.Workload.Priority
		} else if class == c[0] {
			c[1] = max(c[1], v.Workload.Priority)
		}
		c[2] += class
		if v.Waits {
			c[4]++
		}
	}
	return c
}

// mayGo is whether a set of orders may go for a request, each by right, and
// leaves it room on the node and in its pool, which may not have what is held for
// others nor go past a limit.
func (c *crowded) mayGo(node int, set []place, asked *scheduler.Request) bool {
	left, w := maps.Clone(c.spare), asked.Workload
	for _, at := range set {
		h := c.at(at)
		v := h.Workload
		if left[v.Name]--; left[v.Name] < 0 || h.Fixed && !h.Waits {
			return false
		}
		switch {
		case v.Revocable && !w.Revocable:
		case v.Pool == w.Pool && v.Revocable == w.Revocable && v.Priority < w.Priority:
		case v.Pool != w.Pool && !w.Revocable && c.entitled(node, w, v.Pool) && c.mayLose(node, v, w, set):
		default:
			return false
		}
	}
	table, use := c.without(set)
	free := c.free()
	for _, at := range set {
		v := c.at(at).Workload
		free[0], free[1] = free[0]+int(v.Resources.CPU), free[1]+int(v.Resources.Memory)
	}
	return table.Ask(node, asked).Fits && !c.denied(w, use, free) && len(c.beyond(w, use)) == 0
}

// within is what pools hold with their parts.
func (c *crowded) within(use map[string]scheduler.Use) map[string]scheduler.Use {
	all := map[string]scheduler.Use{}
	for name, u := range use {
		for _, p := range c.pool.Tree {
			if c.pool.Tree.Within(name, p.Name) {
				all[p.Name] = scheduler.Use{CPU: all[p.Name].CPU + u.CPU, Memory: all[p.Name].Memory + u.Memory}
			}
		}
	}
	return all
}

// free is what all nodes have free.
func (c *crowded) free() (sum [2]int) {
	for _, n := range c.pool.Nodes {
		sum[0] += max(int(n.Node.Allocatable.CPU-n.Reserved.CPU), 0)
		sum[1] += max(int(n.Node.Allocatable.Memory-n.Reserved.Memory), 0)
	}
	return sum
}

// apart are the pools that one is a part of and the other is not.
func (c *crowded) apart(pool, other string) (all []schema.Pool) {
	for _, p := range c.pool.Tree {
		if c.pool.Tree.Within(pool, p.Name) && !c.pool.Tree.Within(other, p.Name) {
			all = append(all, p)
		}
	}
	return all
}

// scarce is what a node has too little of, or has free for others only, or a limit
// leaves too little of; all, where there is enough.
func (c *crowded) scarce(node int, w *schema.Workload) (cpu, memory bool) {
	n := &c.pool.Nodes[node]
	one := *w
	one.Resources.Memory = 0
	cpu = w.Resources.CPU > max(n.Node.Allocatable.CPU-n.Reserved.CPU, 0) || c.denied(&one, c.pool.Use, c.free())
	one.Resources.CPU, one.Resources.Memory = 0, w.Resources.Memory
	memory = w.Resources.Memory > max(n.Node.Allocatable.Memory-n.Reserved.Memory, 0) || c.denied(&one, c.pool.Use, c.free())
	for _, p := range c.beyond(w, c.pool.Use) {
		held := c.within(c.pool.Use)[p.Name]
		cpu = cpu || p.Limit.CPU > 0 && held.CPU+w.Resources.CPU > p.Limit.CPU
		memory = memory || p.Limit.Memory > 0 && held.Memory+w.Resources.Memory > p.Limit.Memory
	}
	return cpu || !memory, memory || !cpu
}

// entitled: of what is scarce the workload stays within a guarantee of its pools that
// the other has no part in.
func (c *crowded) entitled(node int, w *schema.Workload, other string) bool {
	use, want := c.within(c.pool.Use), w.Resources
	cpu, memory := c.scarce(node, w)
	cpu, memory = cpu && want.CPU > 0, memory && want.Memory > 0
	some := cpu || memory
	for _, p := range c.apart(w.Pool, other) {
		if g := p.Guarantee; g != nil {
			cpu = cpu && use[p.Name].CPU+want.CPU > g.CPU
			memory = memory && use[p.Name].Memory+want.Memory > g.Memory
		}
	}
	return some && !cpu && !memory
}

// mayLose: of what is scarce the victim's pools that the other is no part of keep what
// is guaranteed to them, of the rest they fall below it only where they were.
func (c *crowded) mayLose(node int, v, asked *schema.Workload, set []place) bool {
	_, less := c.without(set)
	before, after := c.within(c.pool.Use), c.within(less)
	cpu, memory := c.scarce(node, asked)
	for _, p := range c.apart(v.Pool, asked.Pool) {
		g := schema.Quantity{}
		if p.Guarantee != nil {
			g = *p.Guarantee
		}
		was, is := before[p.Name], after[p.Name]
		if is.CPU < g.CPU && (cpu || was.CPU >= g.CPU) || is.Memory < g.Memory && (memory || was.Memory >= g.Memory) {
			return false
		}
	}
	return true
}

// denied is whether a pool may not have one more of w, whatever the nodes: less of
// what is guaranteed to others would be free than is now.
func (c *crowded) denied(w *schema.Workload, use map[string]scheduler.Use, free [2]int) bool {
	lacks := func(use map[string]scheduler.Use, free [2]int, lent bool) (out [2]int) {
		idle := idleIn(c.pool.Tree, "default", c.within(use), lent)
		return [2]int{max(idle[0]-max(free[0], 0), 0), max(idle[1]-max(free[1], 0), 0)}
	}
	then := maps.Clone(use)
	then[w.Pool] = then[w.Pool].Plus(w)
	less := [2]int{free[0] - int(w.Resources.CPU), free[1] - int(w.Resources.Memory)}
	for _, lent := range []bool{false, true} {
		before, after := lacks(use, free, lent), lacks(then, less, lent)
		if (after[0] > before[0] || after[1] > before[1]) && (lent || !w.Revocable) {
			return true
		}
	}
	return false
}

// cheapest tries every set of orders for every node.
func (c *crowded) cheapest(asked *scheduler.Request) (best [5]int, found bool) {
	for n := range c.on {
		reach := c.reach(n, asked.Workload)
		for bits := 1; bits < 1<<len(reach); bits++ {
			var set []place
			for i, at := range reach {
				if bits>>i&1 == 1 {
					set = append(set, at)
				}
			}
			p := price(c.those(set))
			if (!found || slices.Compare(p[:], best[:]) < 0) && c.mayGo(n, set, asked) {
				best, found = p, true
			}
		}
	}
	return best, found
}

// TestEvict_FewestAndCheapest: the victims are those that trying every set of
// orders of every node finds, and there are some exactly where one does.
func TestEvict_FewestAndCheapest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { oddCrowd(rt).checkCheapest(rt, oddAsked(rt)) })
}

func (c *crowded) checkCheapest(rt *rapid.T, asked scheduler.Request) {
	if _, unplaced := scheduler.Place(c.pool, []scheduler.Request{asked}); len(unplaced) == 0 {
		return
	}
	want, found := c.cheapest(&asked)
	all := c.evict(asked)
	if !found || len(all) == 0 {
		if found || len(all) > 0 {
			rt.Fatalf("got %v, want %v: %t", all, want, found)
		}
		return
	}
	var set []place
	may := false
	for _, v := range all[0].Victims {
		set = append(set, place{v.Node, v.Order})
	}
	for n := range c.on {
		may = may || c.mayGo(n, set, &asked)
	}
	table, _ := c.without(set)
	if got := price(c.those(set)); got != want || !may || !table.Ask(all[0].Node, &asked).Fits {
		rt.Fatalf("%v costs %v, there is %v", all[0], got, want)
	}
}
