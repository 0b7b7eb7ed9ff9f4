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

// parent is one that exists, and no pool is a part of itself.
func (c *poolChecker) parent(p *Pool) {
	switch {
	case p.Parent == "":
	case c.find(p.Parent) == nil:
		c.add(p, "parent", "there is no pool %q, %s", p.Parent, c.others(p))
	default:
		if circle := c.circle(p); circle != "" {
			c.add(p, "parent", "pool %q would be a part of itself: %s", p.Name, circle)
		}
	}
}

// others names the pools that p could be a part of.
func (c *poolChecker) others(p *Pool) string {
	var names []string
	for i := range c.pools {
		if o := &c.pools[i]; o.Name != p.Name && !partOf(c.pools, o.Name, p.Name) {
			names = append(names, o.Name)
		}
	}
	if len(names) == 0 {
		return "nor any other that it could be a part of"
	}
	return "only " + strings.Join(names, ", ")
}

// circle is the way from a pool up to itself: "a in b in a"; "" if there is none.
// A pool that only leads to a circle is in none.
func (c *poolChecker) circle(p *Pool) string {
	text := p.Name
	for at, steps := c.find(p.Parent), 0; at != nil && steps < len(c.pools); at, steps = c.find(at.Parent), steps+1 {
		text += " in " + at.Name
		if at.Name == p.Name {
			return text
		}
	}
	return ""
}

// partOf is whether a pool is another one or a part of it, however deep.
func partOf(pools []Pool, name, outer string) (is bool) {
	Outward(pools, name, func(p *Pool) { is = is || p.Name == outer })
	return is
}

// amounts are such that what is guaranteed can be had.
func (c *poolChecker) amounts(p *Pool) {
	if p.Guarantee != nil {
		if what := p.Guarantee.Above(p.Limit); what != "" {
			c.add(p, "guarantee", "the guarantee is above the pool's limit of %s", p.Limit.Text(what))
		}
	}
	c.limit(p)
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

// limit is no more than that of any pool that p is a part of: it would promise what
// can never be had.
func (c *poolChecker) limit(p *Pool) {
	if p.Limit == nil || p.Parent == "" || c.circle(p) != "" {
		return
	}
	told := false
	Outward(c.pools, p.Parent, func(outer *Pool) {
		if what := p.Limit.Above(outer.Limit); what != "" && !told {
			c.add(p, "limit", "the limit of %s is above the %s of pool %q, which it is a part of", p.Limit.Text(what), outer.Limit.Text(what), outer.Name)
			told = true
		}
	})
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
