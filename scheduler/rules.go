package scheduler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// tellKind is what a counter's numbers mean.
type tellKind uint8

const (
	spreads tellKind = iota // own slots: shared out by targets
	bounds                  // own slots: at most so many
	nears                   // another workload's slots: near or apart
)

// counter counts slots by the values of an attribute, or by node, for one rule
// of a workload.
type counter struct {
	kind      tellKind
	attribute string
	each      bool // the attribute is the node itself
	weight    int64
	most      int32
	near      *schema.Near

	values  map[string]int32
	counts  []int32 // by value
	targets []int64 // by value
	whole   int64   // all targets
	total   int64   // all counts
	of      []int32 // the value of each view; −1 is none
	other   map[int32]int32
}

// countersOf are the rules of w that count.
func countersOf(w *schema.Workload) (all []counter) {
	for i := range w.Spread {
		s := &w.Spread[i]
		all = append(all, counter{kind: spreads, attribute: s.Over, weight: int64(s.Weight) * 10})
		all[len(all)-1].aim(s.Targets)
	}
	for _, over := range sortedKeys(w.MaxPer) {
		all = append(all, counter{kind: bounds, attribute: over, most: int32(w.MaxPer[over])})
	}
	for i := range w.Near {
		n := &w.Near[i]
		all = append(all, counter{kind: nears, attribute: n.Over, weight: int64(n.Weight) * 10, near: n})
	}
	for i := range all {
		c := &all[i]
		c.each = c.attribute == schema.EachNode
		if c.values == nil {
			c.values = map[string]int32{}
		}
	}
	return all
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// aim sets the targets; without any each value has the same as it turns up.
func (c *counter) aim(targets map[string]int) {
	c.values = map[string]int32{}
	if len(targets) == 0 {
		return
	}
	c.whole = -1
	for _, v := range sortedKeys(targets) {
		i := c.value(v)
		c.targets[i] = int64(targets[v])
	}
	c.whole = 0
	for _, t := range c.targets {
		c.whole += t
	}
}

// value is the number of a value.
func (c *counter) value(v string) int32 {
	i, ok := c.values[v]
	if !ok {
		i = int32(len(c.counts))
		c.values[v] = i
		c.counts, c.targets = append(c.counts, 0), append(c.targets, 0)
	}
	return i
}

// see learns the values of the run's views. Without targets these share alike.
func (c *counter) see(g *run) {
	even := c.whole == 0
	c.of = make([]int32, len(g.views))
	for i := range g.views {
		head := &g.t.nodes[g.t.classes[g.views[i].class].head]
		v, have := head.Node.Attributes[c.attribute]
		if !have || c.each {
			c.of[i] = -1
			continue
		}
		c.of[i] = c.value(v)
		if even {
			c.targets[c.of[i]] = 1
		}
	}
	if even {
		for _, t := range c.targets {
			c.whole += t
		}
	}
}

// recount counts what is there now.
func (c *counter) recount(g *run) {
	clear(c.counts)
	c.total = 0
	list := g.work
	if c.kind == nears {
		list = g.t.spots.of(c.near.Workload)
		if c.each {
			c.other = map[int32]int32{}
		}
	}
	for _, s := range g.t.spots.each(list) {
		slots := s.slots
		if c.kind != nears && g.leaves == s.node {
			slots--
		}
		if slots <= 0 {
			continue
		}
		c.total += int64(slots)
		if c.each {
			if c.kind == nears {
				c.other[s.node] = slots
			}
			continue
		}
		if v, have := g.t.nodes[s.node].Node.Attributes[c.attribute]; have {
			c.counts[c.value(v)] += slots
		}
	}
}

// count is how many slots there are where node n of view i is. A node for which
// the rule's attribute is missing has none.
func (c *counter) count(g *run, i int, n int32) (slots int32, have bool) {
	switch {
	case c.each && c.kind == nears:
		return c.other[n], true
	case c.each:
		return max(g.crowd(n), 0), true
	case c.of[i] < 0:
		return 0, false
	}
	return c.counts[c.of[i]], true
}

// refuses is whether the rule forbids node n of view i.
func (c *counter) refuses(g *run, i int, n int32) bool {
	slots, have := c.count(g, i, n)
	switch {
	case c.kind == bounds:
		return have && slots >= c.most
	case c.kind == nears && c.near.Must:
		return (slots > 0) == c.near.Apart
	}
	return false
}

// score is what the rule gives node n of view i.
func (c *counter) score(g *run, i int, n int32) int64 {
	slots, have := c.count(g, i, n)
	switch c.kind {
	case spreads:
		if c.each {
			return max(-c.weight*int64(slots), -maxPart)
		}
		share := int64(0)
		if have {
			share = c.targets[c.of[i]]
		}
		return c.surplus(int64(slots), share)
	case nears:
		if c.near.Must || slots == 0 {
			return 0
		}
		if c.near.Apart {
			return -c.weight
		}
		return c.weight
	}
	return 0
}

// surplus is what one slot more costs where slots are there of the whole.
func (c *counter) surplus(slots, share int64) int64 {
	if c.whole == 0 {
		return 0
	}
	over := (slots+1)*c.whole - share*(c.total+1)
	if over <= 0 {
		return 0
	}
	return max(-c.weight*over/c.whole, -maxPart)
}

// maxPart bounds what one rule counts, so that no sum leaves a rank.
const maxPart = 16_000
