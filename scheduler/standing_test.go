package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestTable_Standings tells use, shares, what is lent and what is left.
func TestTable_Standings(t *testing.T) {
	pool, _ := contest(2, 1000, 1<<30, []user{{name: "free"}, {name: "sure"}})
	pool.Tree[1].Limit = &schema.Quantity{CPU: 1700}
	pool.Tree[2].Guarantee, pool.Tree[2].Lend = &schema.Quantity{CPU: 500}, true
	pool.Use = map[string]scheduler.Use{"free": {CPU: 1600, Memory: 1 << 29, Slots: 4}}
	pool.Nodes[0].Reserved.CPU, pool.Nodes[1].Reserved.CPU = 1000, 600
	var got []string
	for _, s := range scheduler.Open(pool).Standings() {
		got = append(got, fmt.Sprintf("%s %d %s %d‰ idle %s lent %s left %v", s.Pool.Name, s.Nodes, s.Use.CPU, s.Share, s.Idle.CPU, s.Lent.CPU, s.Largest))
	}
	want := []string{"0-all 2 1600m 800‰ idle 500m lent 0 left [{0 1Gi}]", "free 0 1600m 800‰ idle 0 lent 0 left [{0 1Gi}]", "sure 0 0 0‰ idle 500m lent 100m left [{400m 1Gi}]"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestTable_LargestSlots: of two nodes that have more of one resource each both are
// shown; what others are guaranteed, a parent's idle guarantee and limits count.
func TestTable_LargestSlots(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*scheduler.Pool)
		want   string
	}{
		{"two shapes", func(p *scheduler.Pool) {
			p.Nodes[0].Reserved, p.Nodes[1].Reserved = nodes.Capacity{Memory: 900}, nodes.Capacity{CPU: 800, Memory: 800}
		}, "all [{1 100} {200m 200}], org [{1 100} {200m 200}], part [{1 100} {200m 200}]"},
		{"a parent's guarantee", func(p *scheduler.Pool) {
			p.Nodes[1].Closed = "unreachable"
			p.Tree.Find("org").Guarantee = &schema.Quantity{CPU: 900, Memory: 700}
		}, "all [{100m 300}], org [{1 1000}], part [{1 1000}]"},
		{"more is promised than there is", func(p *scheduler.Pool) {
			p.Nodes[1].Closed = "unreachable"
			p.Tree.Find("org").Guarantee, p.Tree.Find("rest").Guarantee = &schema.Quantity{CPU: 600, Memory: 600}, &schema.Quantity{CPU: 600, Memory: 600}
		}, "all [{0 0}], org [{600m 600}], part [{600m 600}]"},
		{"a limit", func(p *scheduler.Pool) {
			p.Tree.Find("org").Limit = &schema.Quantity{CPU: 300}
			p.Use = map[string]scheduler.Use{"part": {CPU: 100, Slots: 1}}
		}, "all [{1 1000}], org [{200m 1000}], part [{200m 1000}]"},
		{"a limit of the whole", func(p *scheduler.Pool) {
			p.Tree.Find("0-all").Limit = &schema.Quantity{CPU: 300}
		}, "all [{300m 1000}], org [{300m 1000}], part [{300m 1000}]"},
		{"a taint", func(p *scheduler.Pool) {
			for i := range p.Nodes {
				p.Nodes[i].Node.Attributes["taint.x"] = "only"
			}
		}, "all [], org [], part []"},
	} {
		pool, _ := contest(2, 1000, 1000, []user{{name: "org"}, {name: "part", parent: "org"}, {name: "rest"}})
		c.change(&pool)
		all := scheduler.Open(pool).Standings()
		if got := fmt.Sprintf("all %v, org %v, part %v", all[0].Largest, all[1].Largest, all[2].Largest); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestTable_LargestSlotsArePlaced: in a tree of any shape, with nodes of parts, nodes
// that take no work, and much of it in use, Place has a place for a slot exactly
// where it is within one of the largest.
func TestTable_LargestSlotsArePlaced(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, users, requests := anyTree(rt)
		ownNodes(rt, &pool, users)
		pool = used(pool, requests)
		for _, s := range scheduler.Open(pool).Standings() {
			within := func(cpu schema.CPU, mem schema.Bytes) bool {
				return slices.ContainsFunc(s.Largest, func(q schema.Quantity) bool { return cpu <= q.CPU && mem <= q.Memory })
			}
			check := func(cpu schema.CPU, mem schema.Bytes) {
				w := &schema.Workload{Name: "t/plain", Pool: s.Pool.Name, Resources: schema.Resources{CPU: cpu, Memory: mem}}
				placed, unplaced := scheduler.Place(pool, []scheduler.Request{request(w, 0)})
				if got := len(placed) == 1; got != within(cpu, mem) {
					rt.Fatalf("%s could have %v; %d cpu and %d bytes have a place: %t %v", s.Pool.Name, s.Largest, cpu, mem, got, unplaced)
				}
			}
			for _, q := range s.Largest {
				check(q.CPU, q.Memory)
				check(q.CPU+1, q.Memory)
				check(q.CPU, q.Memory+1)
			}
			check(schema.CPU(rapid.IntRange(0, 21).Draw(rt, "cpu")), schema.Bytes(rapid.IntRange(0, 21).Draw(rt, "mem")))
		}
	})
}

// used is the pool with some of the requests where they have a place.
func used(pool scheduler.Pool, requests []scheduler.Request) scheduler.Pool {
	placed, _ := scheduler.Place(pool, requests)
	work := map[schema.Slot]*schema.Workload{}
	for _, r := range requests {
		work[r.Slot] = r.Workload
	}
	pool.Nodes, pool.Use = slices.Clone(pool.Nodes), map[string]scheduler.Use{}
	for _, p := range placed {
		w := work[p.Slot]
		pool.Nodes[slices.IndexFunc(pool.Nodes, func(n scheduler.Node) bool { return n.Node.Name == p.Node })].Hold(w)
		pool.Use[w.Pool] = pool.Use[w.Pool].Plus(w)
	}
	return pool
}

// TestTable_Lent: what revocable work has of what is guaranteed to another pool is
// lent, also where nodes that the owner may not use, or that are closed, would have it.
func TestTable_Lent(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*scheduler.Pool)
		want   schema.CPU
	}{
		{"nobody else has any", func(p *scheduler.Pool) { p.Nodes[1].Node.Attributes["pool"] = "elsewhere" }, 600},
		{"free elsewhere", func(*scheduler.Pool) {}, 0},
		{"free where the owner may not come", func(p *scheduler.Pool) { p.Nodes[1].Node.Attributes["of"] = "rest" }, 600},
		{"free where nobody may come", func(p *scheduler.Pool) { p.Nodes[1].Closed = "unreachable" }, 600},
		{"not lent", func(p *scheduler.Pool) { p.Nodes[1].Closed, p.Tree.Find("owner").Lend = "unreachable", false }, 0},
		{"gone and not used", func(p *scheduler.Pool) {
			p.Nodes[1].Closed, p.Nodes[0].Closed, p.Use = "unreachable", "unreachable", nil
		}, 0},
	} {
		pool, _ := contest(2, 1000, 1000, []user{{name: "owner"}, {name: "rest"}})
		o, rest := pool.Tree.Find("owner"), pool.Tree.Find("rest")
		o.Guarantee, o.Lend = &schema.Quantity{CPU: 800}, true
		rest.Nodes = []schema.Constraint{{Attribute: "of", Op: "=", Value: "rest"}}
		pool.Nodes[0].Reserved.CPU, pool.Use = 800, map[string]scheduler.Use{"rest": {CPU: 800, Slots: 1}}
		c.change(&pool)
		for _, s := range scheduler.Open(pool).Standings() {
			if want := map[string]schema.CPU{"owner": c.want}[s.Pool.Name]; s.Lent.CPU != want {
				t.Errorf("%s: %s has lent %s, want %s", c.name, s.Pool.Name, s.Lent.CPU, want)
			}
		}
	}
}

// TestTable_LentOfSeveral: what others use is lent once, by the first of those that lend,
// and what is lacking of another's own guarantee is not.
func TestTable_LentOfSeveral(t *testing.T) {
	pool, _ := contest(1, 1000, 1000, []user{{name: "a"}, {name: "b"}, {name: "own"}, {name: "rest"}})
	for name, cpu := range map[string]schema.CPU{"a": 300, "b": 300, "own": 400} {
		pool.Tree.Find(name).Guarantee, pool.Tree.Find(name).Lend = &schema.Quantity{CPU: cpu}, name != "own"
	}
	for _, c := range []struct{ used, a, b schema.CPU }{{0, 0, 0}, {200, 200, 0}, {500, 300, 200}, {800, 300, 300}} {
		pool.Nodes[0].Reserved.CPU, pool.Use = c.used, map[string]scheduler.Use{"rest": {CPU: c.used, Slots: 1}}
		for _, s := range scheduler.Open(pool).Standings() {
			if want := map[string]schema.CPU{"a": c.a, "b": c.b}[s.Pool.Name]; s.Lent.CPU != want {
				t.Errorf("%s is used: %s has lent %s, want %s", c.used, s.Pool.Name, s.Lent.CPU, want)
			}
		}
	}
}
