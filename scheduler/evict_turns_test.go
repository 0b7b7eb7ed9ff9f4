package scheduler_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestEvict_NoTurns: who had to go does not, asking for a place again, have the one
// go that it made room for.
func TestEvict_NoTurns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, asked := oddCrowd(rt), oddAsked(rt)
		if _, unplaced := scheduler.Place(c.pool, []scheduler.Request{asked}); len(unplaced) == 0 {
			return
		}
		all := c.evict(asked)
		if len(all) == 0 {
			return
		}
		e := all[0]
		gone := c.carryOut(e, asked.Workload)
		for _, v := range gone {
			again := scheduler.Request{Slot: v.Slot, Workload: v.Workload}
			for _, back := range c.evict(again) {
				for _, other := range back.Victims {
					if other.Slot == asked.Slot {
						rt.Fatalf("%s goes for %s (%s) after it went for it (%v)", asked.Slot, v.Slot, other.Why, e)
					}
				}
			}
		}
	})
}

// carryOut has the victims gone, and who they went for in their place.
func (c *crowded) carryOut(e scheduler.Eviction, w *schema.Workload) (gone []scheduler.Held) {
	n := &c.pool.Nodes[e.Node]
	for _, v := range slices.Backward(slices.SortedFunc(slices.Values(e.Victims), func(a, b scheduler.Victim) int { return a.Order - b.Order })) {
		h := c.on[e.Node][v.Order]
		gone = append(gone, h)
		c.on[e.Node] = slices.Delete(c.on[e.Node], v.Order, v.Order+1)
		c.use(n, h.Workload, -1)
		for _, p := range h.Ports {
			n.Ports = slices.DeleteFunc(n.Ports, func(q int) bool { return p == q })
		}
	}
	h := scheduler.Held{Slot: e.For, Workload: w}
	if len(w.Ports) > 0 {
		n.Ports, h.Ports = append(n.Ports, 8080), map[string]int{"p": 8080}
	}
	c.on[e.Node], c.spare[w.Name] = append(c.on[e.Node], h), 1
	c.use(n, w, 1)
	return gone
}

func (c *crowded) use(n *scheduler.Node, w *schema.Workload, slots int) {
	cpu, mem := w.Resources.CPU*schema.CPU(slots), w.Resources.Memory*schema.Bytes(slots)
	n.Reserved.CPU, n.Reserved.Memory = n.Reserved.CPU+cpu, n.Reserved.Memory+mem
	u := c.pool.Use[w.Pool]
	c.pool.Use[w.Pool] = scheduler.Use{CPU: u.CPU + cpu, Memory: u.Memory + mem, Slots: u.Slots + slots}
}
