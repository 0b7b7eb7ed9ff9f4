package scheduler_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestEvict_NoTurns: who had to go does not, asking for a place again, have the one
// go that it made room for.
func TestEvict_NoTurns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, asked := eitherCrowd(rt), oddAsked(rt)
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
	for _, v := range slices.Backward(slices.SortedFunc(slices.Values(e.Victims), func(a, b scheduler.Victim) int { return a.Order - b.Order })) {
		n, h := &c.pool.Nodes[v.Node], c.on[v.Node][v.Order]
		gone = append(gone, h)
		c.on[v.Node] = slices.Delete(c.on[v.Node], v.Order, v.Order+1)
		c.use(n, h.Workload, -1)
		for _, p := range h.Ports {
			n.Ports = slices.DeleteFunc(n.Ports, func(q int) bool { return p == q })
		}
	}
	n, h := &c.pool.Nodes[e.Node], scheduler.Held{Slot: e.For, Workload: w}
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

// TestEvict_KeepsRoom: whichever of those who have to go are gone, and ask for a
// place again, while the others are ending, who they go for waits for its room on
// their node (on any, where a limit was in the way), or has it. (Who goes by a guarantee may be served first once it is
// gone, where its pool has the lower share of what is not scarce.)
func TestEvict_KeepsRoom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, asked := eitherCrowd(rt), oddAsked(rt)
		if _, unplaced := scheduler.Place(c.pool, []scheduler.Request{asked}); len(unplaced) == 0 {
			return
		}
		all := c.evict(asked)
		if len(all) == 0 {
			return
		}
		limited := len(c.beyond(asked.Workload, c.pool.Use)) > 0
		var requests []scheduler.Request
		for _, v := range all[0].Victims {
			n, h := &c.pool.Nodes[v.Node], c.on[v.Node][v.Order]
			if strings.HasPrefix(v.Why, "pool ") || rapid.Bool().Draw(rt, "is ending") {
				n.End(h.Workload, h.Ports)
				continue
			}
			c.use(n, h.Workload, -1)
			for _, p := range h.Ports {
				n.Ports = slices.DeleteFunc(n.Ports, func(q int) bool { return p == q })
			}
			requests = append(requests, scheduler.Request{Slot: v.Slot, Workload: h.Workload})
		}
		placed, unplaced := scheduler.Place(c.pool, append(requests, asked))
		has := slices.ContainsFunc(placed, func(p scheduler.Placement) bool { return p.Slot == asked.Slot })
		waits := slices.ContainsFunc(unplaced, func(u scheduler.Unplaced) bool {
			return u.Slot == asked.Slot && (u.Waits == c.pool.Nodes[all[0].Node].Node.Name || u.Waits != "" && limited)
		})
		if !has && !waits {
			rt.Fatalf("%s has no room where %v go for it: %v, %v", asked.Slot, all[0].Victims, placed, unplaced)
		}
	})
}
