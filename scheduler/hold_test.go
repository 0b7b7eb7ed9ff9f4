package scheduler_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestPlace_GuaranteeOfOneResource: what is guaranteed of one resource lets nobody
// take what is held for others of another one.
func TestPlace_GuaranteeOfOneResource(t *testing.T) {
	pool, _ := contest(1, 1000, 512, []user{{name: "a"}, {name: "b"}})
	pool.Tree.Find("a").Guarantee = &schema.Quantity{CPU: 500}
	pool.Tree.Find("b").Guarantee = &schema.Quantity{CPU: 100, Memory: 200}
	if got := shared(pool, contestants([]user{{"a", "", 1, 10, 100, 9}})); got != "a:3" {
		t.Errorf("%s, want a:3", got)
	}
	pool.Nodes[0].Reserved, pool.Use = nodes.Capacity{CPU: 50, Memory: 500}, map[string]scheduler.Use{"a": {CPU: 50, Memory: 500, Slots: 5}}
	var on []scheduler.Held
	for i, r := range contestants([]user{{"a", "", 1, 10, 100, 5}}) {
		on = append(on, scheduler.Held{Slot: schema.Slot{Workload: "a/w", Index: i}, Workload: r.Workload})
	}
	all := scheduler.Open(pool).Evict(contestants([]user{{"b", "", 1, 100, 200, 1}}), func(int) []scheduler.Held { return on }, map[string]int{"a/w": 5})
	if len(all) != 1 || len(all[0].Victims) != 2 {
		t.Errorf("who took b's memory does not go: %v", all)
	}
}

// TestPlace_GuaranteeOnce: who is guaranteed something goes first as long as what it
// asks for next is within that, and then has a fair share like all others.
func TestPlace_GuaranteeOnce(t *testing.T) {
	users := []user{{"a", "", 1, 100, 1, 99}, {"b", "", 1, 100, 1, 99}}
	for _, c := range []struct {
		guarantee *schema.Quantity
		want      string
	}{
		{nil, "a:45 b:45"},
		{&schema.Quantity{CPU: 1000, Memory: 1000}, "a:45 b:45"},
		{&schema.Quantity{CPU: 6000, Memory: 1000}, "a:60 b:30"},
		{&schema.Quantity{CPU: 6000}, "a:60 b:30"}, // held for it, though memory is not
		{&schema.Quantity{Memory: 1000}, "a:45 b:45"},
	} {
		pool, requests := contest(1, 9000, 9000, users)
		pool.Tree.Find("a").Guarantee = c.guarantee
		if got := shared(pool, requests); got != c.want {
			t.Errorf("guaranteed %v: %s, want %s", c.guarantee, got, c.want)
		}
	}
}

// TestPlace_GuaranteeFirst: where nodes cannot hold what is guaranteed to each, who
// stays within its guarantee is served before who has more than its own, however
// little that one has.
func TestPlace_GuaranteeFirst(t *testing.T) {
	pool, requests := contest(1, 1000, 1000, []user{{"a", "", 1, 100, 100, 9}, {"b", "", 9, 100, 100, 9}})
	pool.Tree.Find("a").Guarantee = &schema.Quantity{CPU: 500, Memory: 500}
	pool.Nodes[0].Node.PortMin, pool.Nodes[0].Node.PortMax = 20000, 20005
	for i := range requests {
		requests[i].Workload.Ports = map[string]schema.Port{"p": {Container: 80}}
	}
	if got := shared(pool, requests); got != "a:5 b:1" {
		t.Error(got)
	}
}

// TestPlace_HeldWhereItsOwnerMayGo: nodes that the owner of an idle guarantee cannot
// use hold nothing for it, and its own hold it before those of others.
func TestPlace_HeldWhereItsOwnerMayGo(t *testing.T) {
	zoned := func(pool *scheduler.Pool, part string) {
		pool.Tree.Find(part).Nodes = []schema.Constraint{{Attribute: "zone", Op: "=", Value: "z"}}
		pool.Nodes[1].Node.Attributes["zone"] = "z"
	}
	for _, c := range []struct {
		name   string
		change func(*scheduler.Pool)
		want   string
	}{
		{"two nodes", func(*scheduler.Pool) {}, "free:14"},
		{"one is unreachable", func(p *scheduler.Pool) { p.Nodes[1].Closed = "unreachable" }, "free:4"},
		{"one is for another part", func(p *scheduler.Pool) { zoned(p, "zoned") }, "free:4"},
		{"one is the owner's own", func(p *scheduler.Pool) { zoned(p, "sure") }, "free:10"},
		{"the owner's own is unreachable", func(p *scheduler.Pool) { zoned(p, "sure"); p.Nodes[1].Closed = "unreachable" }, "free:4"},
		{"the owner's own is half full", func(p *scheduler.Pool) { zoned(p, "sure"); p.Nodes[1].Reserved.CPU = 600 }, "free:8"},
	} {
		pool, requests := contest(2, 1000, 1<<30, []user{{"free", "", 1, 100, 1, 99}, {name: "sure"}, {name: "zoned"}})
		pool.Tree.Find("sure").Guarantee = &schema.Quantity{CPU: 600}
		c.change(&pool)
		if got := shared(pool, requests); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestPlace_HeldOnOthersNodes: a part with nodes of its own takes from those of its
// parent only what is not held for others.
func TestPlace_HeldOnOthersNodes(t *testing.T) {
	pool, requests := contest(2, 1000, 1<<30, []user{{name: "sure"}, {"zoned", "", 1, 100, 1, 99}})
	pool.Tree.Find("sure").Guarantee = &schema.Quantity{CPU: 600}
	pool.Tree.Find("zoned").Nodes = []schema.Constraint{{Attribute: "zone", Op: "=", Value: "z"}}
	pool.Nodes[1].Node.Attributes["zone"] = "z"
	table := scheduler.Open(pool)
	placed, unplaced := table.Place(requests)
	on := map[string]int{}
	for _, p := range placed {
		on[p.Node]++
	}
	if len(placed) != 14 || on["n000"] != 4 {
		t.Errorf("%d have a place: %v", len(placed), on)
	}
	want := "none of 2 nodes can take it: 1 refused by guarantee (what n000 has free is kept for other pools); 1 refused by cpu (needs 100m cpu; n001 has 0 free of 1, 1 reserved)"
	if got := unplaced[0].Why.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestPlace_NoneWhoLendsTakesFromOthers: what is lent comes back from who has it, not
// from what is held for somebody else.
func TestPlace_NoneWhoLendsTakesFromOthers(t *testing.T) {
	pool, _ := contest(1, 1000, 1000, []user{{name: "lends"}, {name: "sure"}, {name: "spot"}})
	pool.Tree.Find("lends").Guarantee, pool.Tree.Find("lends").Lend = &schema.Quantity{CPU: 500}, true
	pool.Tree.Find("sure").Guarantee = &schema.Quantity{CPU: 500}
	spot := contestants([]user{{"spot", "", 1, 500, 0, 1}})
	spot[0].Workload.Revocable = true
	pool.Nodes[0].Reserved, pool.Use = nodes.Capacity{CPU: 500}, map[string]scheduler.Use{"spot": {CPU: 500, Slots: 1}}
	asked := contestants([]user{{"lends", "", 1, 100, 0, 1}})
	if got := shared(pool, asked); got != "" {
		t.Errorf("taken from who does not lend: %s", got)
	}
	on := []scheduler.Held{{Slot: spot[0].Slot, Workload: spot[0].Workload}}
	if all := scheduler.Open(pool).Evict(asked, func(int) []scheduler.Held { return on }, map[string]int{"spot/w": 1}); len(all) != 1 || len(all[0].Victims) != 1 {
		t.Errorf("what is lent does not come back: %v", all)
	}
}

// TestPlace_WhatIsHeldIsThere: in a tree of any shape, in which parts have nodes of
// their own and some nodes take no work, each pool has what is guaranteed to it
// whenever it asks for that, whatever others were given before, if all could have
// theirs in the first place. Slots of one unit fit wherever anything is left.
func TestPlace_WhatIsHeldIsThere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, users, requests := anyTree(rt)
		ownNodes(rt, &pool, users)
		for i := range pool.Tree {
			pool.Tree[i].Limit, pool.Tree[i].Lend = nil, false
		}
		if _, out := scheduler.Place(pool, promised(pool.Tree, nil)); len(out) > 0 {
			return // more is promised than there is
		}
		table := scheduler.Open(pool)
		placed, _ := table.Place(requests)
		_, out := table.Place(promised(pool.Tree, usedBy(pool.Tree, users, placed)))
		if len(out) > 0 {
			rt.Fatalf("%s: %s, of what is guaranteed to it; %v", out[0].Slot, out[0].Why, placed)
		}
	})
}

// promised is a slot for each unit that is guaranteed to a pool, beside what is to
// its parts, and not used.
func promised(t scheduler.Tree, use map[string]scheduler.Use) (all []scheduler.Request) {
	for _, p := range t {
		whole := idleIn(t, p.Name, use, false)
		for _, part := range t {
			if part.Parent == p.Name {
				below := idleIn(t, part.Name, use, false)
				whole[0], whole[1] = whole[0]-below[0], whole[1]-below[1]
			}
		}
		for r, size := range []schema.Resources{{CPU: 1}, {Memory: 1}} {
			w := &schema.Workload{Name: fmt.Sprintf("%s/promised%d", p.Name, r), Pool: p.Name, Resources: size}
			for i := range whole[r] {
				all = append(all, request(w, i))
			}
		}
	}
	return all
}

// TestPlace_HomeOnAClosedNode: what a node that takes no new work has free is held for
// nobody, so that who is at home there comes back, whatever others are guaranteed.
func TestPlace_HomeOnAClosedNode(t *testing.T) {
	for _, c := range []struct {
		name  string
		close func(n *scheduler.Node, r *scheduler.Request)
		want  int
	}{
		{"cordoned", func(n *scheduler.Node, r *scheduler.Request) { n.Closed, n.Keeps, r.Home = "cordoned", true, true }, 1},
		{"no home", func(n *scheduler.Node, _ *scheduler.Request) { n.Closed, n.Keeps = "cordoned", true }, 0},
		{"unreachable", func(n *scheduler.Node, r *scheduler.Request) { n.Closed, r.Home = "unreachable", true }, 0},
		{"open", func(_ *scheduler.Node, r *scheduler.Request) { r.Home = true }, 0},
	} {
		pool, requests := contest(2, 1000, 1000, []user{{"a", "", 1, 500, 500, 1}, {"b", "", 1, 0, 0, 0}, {"c", "b", 1, 0, 0, 0}})
		pool.Tree.Find("b").Guarantee = &schema.Quantity{CPU: 2000}
		requests[0].Only = "n000"
		c.close(&pool.Nodes[0], &requests[0])
		if placed, unplaced := scheduler.Place(pool, requests); len(placed) != c.want {
			t.Errorf("%s: %v, %s", c.name, placed, unplaced[0].Why)
		}
		pool.Nodes[1].Node.Attributes["of"], pool.Tree.Find("c").Nodes = "c", []schema.Constraint{{Attribute: "of", Op: "exists"}}
		if placed, unplaced := scheduler.Place(pool, requests); len(placed) != c.want {
			t.Errorf("%s, beside nodes of a part: %v, %s", c.name, placed, unplaced[0].Why)
		}
	}
}

// TestPlace_WaitsForWhatEnds: where orders end to make room, what they hold of their
// pool, of devices and of ports is as good as free for one that waits, and once.
func TestPlace_WaitsForWhatEnds(t *testing.T) {
	limited := func(p *scheduler.Pool, _ *schema.Workload) { p.Tree.Find("a").Limit = &schema.Quantity{CPU: 500} }
	promised := func(p *scheduler.Pool, _ *schema.Workload) {
		p.Tree.Find("b").Guarantee = &schema.Quantity{CPU: 500}
	}
	device := func(p *scheduler.Pool, w *schema.Workload) {
		p.Nodes[0].Node.Attributes["device.gpu"] = "1"
		w.Resources.Devices = map[string]schema.Device{"gpu": {Count: 1}}
	}
	for _, c := range []struct {
		name string
		set  func(*scheduler.Pool, *schema.Workload)
		size schema.CPU
	}{{"limit", limited, 500}, {"guarantee", promised, 500}, {"device", device, 100}, {"port", func(_ *scheduler.Pool, w *schema.Workload) { hostPort(w, 8080) }, 100}} {
		for _, ends := range []bool{true, false} {
			pool, requests := contest(1, 1000, 1000, []user{{"a", "", 1, c.size, 1, 2}, {name: "b"}})
			w := requests[0].Workload
			c.set(&pool, w)
			old := *w
			old.Name = "a/old"
			n := &pool.Nodes[0]
			n.Hold(&old)
			for _, p := range old.Ports {
				n.Ports = append(n.Ports, p.Host)
			}
			if ends {
				n.End(&old, portsOf(&old))
			}
			pool.Use = map[string]scheduler.Use{"a": scheduler.Use{}.Plus(&old)}
			_, unplaced := scheduler.Place(pool, requests[:1])
			if want := map[bool]string{true: "n000"}[ends]; len(unplaced) != 1 || unplaced[0].Waits != want {
				t.Errorf("%s, ends %t: %+v", c.name, ends, unplaced)
			}
			if _, unplaced = scheduler.Place(pool, requests); c.name != "port" && (len(unplaced) != 2 || unplaced[1].Waits != "") {
				t.Errorf("%s, ends %t: the second one waits as well: %+v", c.name, ends, unplaced)
			}
		}
	}
}

func portsOf(w *schema.Workload) map[string]int {
	ports := map[string]int{}
	for name, p := range w.Ports {
		ports[name] = p.Host
	}
	return ports
}

// TestPlace_IdleOfAPart: what a part uses of its guarantee, step by step, is no longer
// idle of the pool that it is a part of, which keeps the rest of its own.
func TestPlace_IdleOfAPart(t *testing.T) {
	users := []user{{name: "org"}, {"part", "org", 1, 100, 100, 2}, {"rest", "", 1, 100, 100, 9}}
	pool, requests := contest(1, 1000, 1000, users)
	pool.Tree.Find("org").Guarantee, pool.Tree.Find("part").Guarantee = &schema.Quantity{CPU: 800}, &schema.Quantity{CPU: 300}
	table := scheduler.Open(pool)
	if placed, _ := table.Place(requests); len(placed) != 4 {
		t.Errorf("%v", placed)
	}
	for _, s := range table.Standings() {
		if want := map[string]schema.CPU{"0-all": 600, "org": 600, "part": 100}[s.Pool.Name]; s.Idle.CPU != want {
			t.Errorf("%s has %s idle, want %s", s.Pool.Name, s.Idle.CPU, want)
		}
	}
}
