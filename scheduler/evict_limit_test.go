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

// limitedCrowd is few orders on nodes, in pools of which some have, with their parts,
// as much as they may or little less.
func limitedCrowd(t *rapid.T) *crowded {
	c := crowdOf(t, 3)
	use := c.within(c.pool.Use)
	for _, name := range []string{"default", "other", "rest", "sure", "sure-part"} {
		if rapid.IntRange(0, 2).Draw(t, name+" is limited") > 0 {
			limit := schema.Quantity{CPU: use[name].CPU + schema.CPU(rapid.IntRange(0, 9).Draw(t, "more")*100)}
			if rapid.IntRange(0, 2).Draw(t, "of memory") == 0 {
				limit.Memory = use[name].Memory + schema.Bytes(rapid.IntRange(0, 4).Draw(t, "more"))<<29
			}
			c.pool.Tree.Find(name).Limit = &limit
		}
	}
	return c
}

// eitherCrowd is one with limits or without.
func eitherCrowd(t *rapid.T) *crowded {
	if rapid.Bool().Draw(t, "limits") {
		return limitedCrowd(t)
	}
	return oddCrowd(t)
}

// place is the k-th order of a node.
type place struct{ node, k int }

func (c *crowded) at(p place) *scheduler.Held { return &c.on[p.node][p.k] }

// without is the nodes and what pools hold with some orders gone.
func (c *crowded) without(set []place) (*scheduler.Table, map[string]scheduler.Use) {
	table, use := scheduler.Open(c.pool), maps.Clone(c.pool.Use)
	for _, at := range set {
		v := c.at(at).Workload
		table.Lift(at.node, v, c.at(at).Ports)
		use[v.Pool] = scheduler.Use{CPU: use[v.Pool].CPU - v.Resources.CPU, Memory: use[v.Pool].Memory - v.Resources.Memory}
	}
	return table, use
}

// beyond are the pools whose limits one more of w would go past.
func (c *crowded) beyond(w *schema.Workload, use map[string]scheduler.Use) (all []schema.Pool) {
	held := c.within(use)
	for _, p := range c.tree(w.Pool) {
		cpu, memory := held[p.Name].CPU+w.Resources.CPU, held[p.Name].Memory+w.Resources.Memory
		if p.Limit != nil && (p.Limit.CPU > 0 && cpu > p.Limit.CPU || p.Limit.Memory > 0 && memory > p.Limit.Memory) {
			all = append(all, p)
		}
	}
	return all
}

// tree is a pool and those that it is a part of.
func (c *crowded) tree(pool string) []schema.Pool { return c.apart(pool, "none") }

// reach are the orders that could be of use for a request on a node: those there, and
// those of pools at their limits.
func (c *crowded) reach(node int, w *schema.Workload) (all []place) {
	beyond := c.beyond(w, c.pool.Use)
	for n := range c.on {
		for k := range c.on[n] {
			inside := func(p schema.Pool) bool { return c.pool.Tree.Within(c.on[n][k].Workload.Pool, p.Name) }
			if n == node || slices.ContainsFunc(beyond, inside) {
				all = append(all, place{n, k})
			}
		}
	}
	return all
}

func (c *crowded) those(set []place) (victims []scheduler.Held) {
	for _, at := range set {
		victims = append(victims, *c.at(at))
	}
	return victims
}

// TestEvict_FewestAndCheapestAtALimit: so they are where it is a limit that stands in
// the way, and victims may be on any node.
func TestEvict_FewestAndCheapestAtALimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { limitedCrowd(rt).checkCheapest(rt, oddAsked(rt)) })
}

// TestEvict_AtTheLimitOfAPool: who goes for a limit may be on another node than the
// one where the request will be.
func TestEvict_AtTheLimitOfAPool(t *testing.T) {
	tree := scheduler.Tree{{Name: "default", Weight: 1}, {Name: "other", Parent: "default", Weight: 1}, {Name: "part", Parent: "tight", Weight: 1},
		{Name: "tight", Parent: "default", Weight: 1, Limit: &schema.Quantity{CPU: 1000}}}
	low, high, spot := held("a/low", 500, inPool("part")), held("a/high", 500, inPool("part"), priority(9)), held("a/spot", 500, inPool("tight"), revocable)
	rest, stays := held("c/rest", 1200, inPool("other"), priority(9)), held("a/stays", 500, inPool("part"))
	stays.Fixed = true
	ask := func(cpu schema.CPU, only string) scheduler.Request {
		r := request(held("b/new", cpu, inPool("part"), priority(5)).Workload, 0)
		r.Only = only
		return r
	}
	const why = "(priority 0 is below 5; pool tight is limited to 1 cpu)"
	type orders = [][]scheduler.Held
	for _, c := range []struct {
		name string
		on   orders
		ask  scheduler.Request
		want string
	}{
		{"both have to go", orders{{}, {low}, {low}}, ask(1000, ""), "b/new.0 on n0, a/low.0 " + why + ", a/low.0 " + why},
		{"it may be on an empty node alone", orders{{}, {low}, {low}}, ask(500, "n0"), "b/new.0 on n0, a/low.0 " + why},
		{"revocable work of the pool before a lower priority", orders{{}, {low}, {spot}}, ask(500, "n0"), "b/new.0 on n0, a/spot.0 (revocable; pool tight is limited to 1 cpu)"},
		{"nobody of a higher priority", orders{{}, {high}, {low}}, ask(1000, ""), ""},
		{"data stays where it is", orders{{}, {stays}, {stays}}, ask(500, "n0"), ""},
		{"nobody where the node is in the way too", orders{{rest}, {low}, {low}}, ask(1000, "n0"), ""},
		{"others' work is not of that pool", orders{{held("c/low", 500, inPool("other"), revocable)}, {high}, {high}}, ask(500, "n0"), ""},
		{"more than the pool may ever have", orders{{}, {low}, {low}}, ask(1100, ""), ""},
	} {
		if got := evict(tree, map[string]int{"a/low": 2}, c.on, c.ask); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := evict(tree, map[string]int{"a/low": 1}, orders{{}, {low}, {low}}, ask(1000, "")); got != "" {
		t.Errorf("beyond maxUnavailable: %s", got)
	}
}

// BenchmarkEvict_Limit asks whom 32 requests could have end in a pool that has all
// that it may have, where the nodes alone would do.
func BenchmarkEvict_Limit(b *testing.B) {
	for _, count := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("nodes=%d", count), func(b *testing.B) { benchEvictLimit(b, count) })
	}
}

func benchEvictLimit(b *testing.B, count int) {
	limit := schema.Quantity{CPU: schema.CPU(count) * 1000}
	pool := scheduler.Pool{Use: map[string]scheduler.Use{}, Tree: scheduler.Tree{{Name: "default", Weight: 1}, {Name: "tight", Parent: "default", Weight: 1, Limit: &limit}}}
	on, spare := make([][]scheduler.Held, count), map[string]int{}
	for i := range count {
		n := node(fmt.Sprintf("n%05d", i))
		for k := range 10 {
			h := held(fmt.Sprintf("a/low-%d", (i*7+k)%100), 100, inPool("tight"), priority(k%3))
			n.Hold(h.Workload)
			pool.Use["tight"] = pool.Use["tight"].Plus(h.Workload)
			spare[h.Workload.Name], on[i] = 5, append(on[i], h)
		}
		pool.Nodes = append(pool.Nodes, n)
	}
	var asked []scheduler.Request
	w := held("b/high", 700, inPool("tight"), priority(5)).Workload
	for i := range 32 {
		asked = append(asked, request(w, i))
	}
	b.ReportAllocs()
	for b.Loop() {
		left := map[string]int{}
		for name, n := range spare {
			left[name] = n
		}
		if got := scheduler.Open(pool).Evict(asked, func(i int) []scheduler.Held { return on[i] }, left); len(got) != len(asked) {
			b.Fatalf("%d evictions", len(got))
		}
	}
}
