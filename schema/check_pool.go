package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CheckPools finds what relates pools to each other, by the pool's name. The
// pools are sorted by name.
func CheckPools(pools []Pool) map[string][]Problem {
	c := poolChecker{pools: pools, parts: map[string][]*Pool{}, below: map[string]Quantity{}, found: map[string][]Problem{}}
	for i := range pools {
		c.parts[pools[i].Parent] = append(c.parts[pools[i].Parent], &pools[i])
	}
	for i := range pools {
		p := &pools[i]
		c.parent(p)
		c.amounts(p)
		for k := range p.Nodes {
			w := checker{w: &Workload{}}
			w.constraint([]string{"nodes", strconv.Itoa(k)}, &p.Nodes[k])
			c.found[p.Name] = append(c.found[p.Name], w.found...)
		}
		c.claims(i)
	}
	return c.found
}

type poolChecker struct {
	pools []Pool
	parts map[string][]*Pool  // by their parent
	below map[string]Quantity // what is promised below a pool, once it was asked for
	found map[string][]Problem
}

func (c *poolChecker) add(p *Pool, field, format string, args ...any) {
	c.found[p.Name] = append(c.found[p.Name], Problem{[]string{field}, fmt.Sprintf(format, args...)})
}

func (c *poolChecker) find(name string) *Pool {
	i := slices.IndexFunc(c.pools, func(p Pool) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &c.pools[i]
}

// others names the pools that p could be a part of.
func (c *poolChecker) others(p *Pool) string {
	var names []string
	for i := range c.pools {
		if c.pools[i].Name != p.Name {
			names = append(names, c.pools[i].Name)
		}
	}
	if len(names) == 0 {
		return "none beside it"
	}
	return strings.Join(names, ", ")
}

// parent is one that exists, and no pool is a part of itself.
func (c *poolChecker) parent(p *Pool) {
	if p.Parent == "" {
		return
	}
	at := c.find(p.Parent)
	if at == nil {
		c.add(p, "parent", "there is no pool %q, only %s", p.Parent, c.others(p))
		return
	}
	for range c.pools {
		if at == nil || at.Name == p.Name {
			break
		}
		at = c.find(at.Parent)
	}
	if at != nil {
		c.add(p, "parent", "pool %q would be a part of itself", p.Name)
	}
}

// amounts are such that what is guaranteed can be had.
func (c *poolChecker) amounts(p *Pool) {
	if p.Guarantee != nil {
		if what := p.Guarantee.Above(p.Limit); what != "" {
			c.add(p, "guarantee", "the guarantee is above the pool's limit of %s", p.Limit.Text(what))
		}
	}
	sum := c.promised(p)
	for _, bound := range []struct {
		name string
		q    *Quantity
	}{{"guarantee", p.Guarantee}, {"limit", p.Limit}} {
		if what := sum.Above(bound.q); what != "" {
			c.add(p, bound.name, "what is guaranteed to its parts sums to more than its %s of %s", bound.name, bound.q.Text(what))
		}
	}
}

// promised is what is guaranteed below a pool: to each of its parts, or to the
// parts of that where it is more.
func (c *poolChecker) promised(p *Pool) Quantity {
	if sum, known := c.below[p.Name]; known {
		return sum
	}
	const most = 1 << 62 // beyond which no sum is told apart
	var sum Quantity
	c.below[p.Name] = sum // where parents run in a circle
	for _, part := range c.parts[p.Name] {
		q := c.promised(part)
		if g := part.Guarantee; g != nil {
			q.CPU, q.Memory = max(q.CPU, g.CPU), max(q.Memory, g.Memory)
		}
		sum.CPU, sum.Memory = min(sum.CPU+q.CPU, most), min(sum.Memory+q.Memory, most)
	}
	c.below[p.Name] = sum
	return sum
}

// claims finds an earlier pool that selects the very same nodes.
func (c *poolChecker) claims(i int) {
	p := &c.pools[i]
	for k := range c.pools[:i] {
		same := slices.EqualFunc(p.Nodes, c.pools[k].Nodes, func(a, b Constraint) bool {
			return a.Attribute == b.Attribute && a.Op == b.Op && a.Value == b.Value && slices.Equal(a.Values, b.Values)
		})
		if same && len(p.Nodes) > 0 {
			c.add(p, "nodes", "pool %q claims the same nodes", c.pools[k].Name)
		}
	}
}
