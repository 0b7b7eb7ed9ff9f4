package scheduler_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
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

var crowdPools = []string{"other", "rest", "sure"}

// oddCrowd is orders of any kind on up to three nodes, in three pools of which one
// or two are guaranteed something.
func oddCrowd(t *rapid.T) *crowded {
	amount := func(name string) *schema.Quantity {
		return &schema.Quantity{CPU: schema.CPU(rapid.IntRange(1, 20).Draw(t, name) * 100)}
	}
	c := &crowded{spare: map[string]int{}}
	c.pool.Use = map[string]scheduler.Use{}
	c.pool.Tree = scheduler.Tree{{Name: "default", Weight: 1}, {Name: "other", Parent: "default", Weight: 1}, {Name: "rest", Parent: "default", Weight: 1}, {Name: "sure", Parent: "default", Weight: 1, Guarantee: amount("sure")}}
	if rapid.Bool().Draw(t, "two") {
		c.pool.Tree[1].Guarantee = amount("other")
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "nodes") {
		n := node(fmt.Sprintf("n%d", i))
		var orders []scheduler.Held
		for free := 2000; ; {
			h := oddHeld(t, i*10+len(orders))
			if free -= int(h.Workload.Resources.CPU); free < 0 || len(orders) == 6 {
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
// leaves it room on the node and in its pool, which may not have what is
// guaranteed to theirs.
func (c *crowded) mayGo(node int, set []int, asked *scheduler.Request) bool {
	left, w := maps.Clone(c.spare), asked.Workload
	use := maps.Clone(c.pool.Use)
	bound := map[string]bool{} // pools that must keep their guarantee
	for _, k := range set {
		h := c.on[node][k]
		v := h.Workload
		if left[v.Name]--; left[v.Name] < 0 || h.Fixed && !h.Waits {
			return false
		}
		u := use[v.Pool]
		use[v.Pool] = scheduler.Use{CPU: u.CPU - v.Resources.CPU, Memory: u.Memory - v.Resources.Memory, Slots: u.Slots - 1}
		own := c.pool.Tree.Find(w.Pool).Guarantee
		switch {
		case v.Revocable && !w.Revocable:
		case v.Pool == w.Pool && v.Revocable == w.Revocable && v.Priority < w.Priority:
		case v.Pool != w.Pool && own != nil && c.pool.Use[w.Pool].CPU+w.Resources.CPU <= own.CPU:
			bound[v.Pool] = true
		default:
			return false
		}
	}
	for name := range bound {
		if g := c.pool.Tree.Find(name).Guarantee; g != nil && use[name].CPU < g.CPU {
			return false
		}
	}
	table := scheduler.Open(c.pool)
	for _, k := range set {
		table.Lift(node, c.on[node][k].Workload, c.on[node][k].Ports)
	}
	return table.Ask(node, asked).Fits && !c.forbidden(asked, use)
}

// cheapest tries every set of orders of every node.
func (c *crowded) cheapest(asked *scheduler.Request) (best [5]int, found bool) {
	for n := range c.on {
		for bits := 1; bits < 1<<len(c.on[n]); bits++ {
			var set []int
			var victims []scheduler.Held
			for k := range c.on[n] {
				if bits>>k&1 == 1 {
					set, victims = append(set, k), append(victims, c.on[n][k])
				}
			}
			p := price(victims)
			if (!found || slices.Compare(p[:], best[:]) < 0) && c.mayGo(n, set, asked) {
				best, found = p, true
			}
		}
	}
	return best, found
}

// forbidden is whether its pool may not have the request, whatever the nodes, while
// pools use so much.
func (c *crowded) forbidden(asked *scheduler.Request, use map[string]scheduler.Use) bool {
	empty := c.pool
	empty.Use = use
	empty.Nodes = slices.Clone(empty.Nodes)
	for i := range empty.Nodes {
		empty.Nodes[i].Reserved, empty.Nodes[i].Ports = nodes.Capacity{}, nil
	}
	for _, v := range scheduler.Open(empty).AskAll(asked) {
		if v.Fits {
			return false
		}
	}
	return true
}

// TestEvict_FewestAndCheapest: the victims are those that trying every set of
// orders of every node finds, and there are some exactly where one does.
func TestEvict_FewestAndCheapest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, asked := oddCrowd(rt), oddAsked(rt)
		if _, unplaced := scheduler.Place(c.pool, []scheduler.Request{asked}); len(unplaced) == 0 || c.forbidden(&asked, c.pool.Use) {
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
		var set []int
		var victims []scheduler.Held
		for _, v := range all[0].Victims {
			set, victims = append(set, v.Order), append(victims, c.on[all[0].Node][v.Order])
		}
		if got := price(victims); got != want || !c.mayGo(all[0].Node, set, &asked) {
			rt.Fatalf("%v costs %v, there is %v", all[0], got, want)
		}
	})
}
