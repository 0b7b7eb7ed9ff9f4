package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// held is an order of a workload on a node.
func held(name string, cpu schema.CPU, change ...func(*schema.Workload)) scheduler.Held {
	w := work(name)
	w.Resources = schema.Resources{CPU: cpu}
	for _, c := range change {
		c(w)
	}
	return scheduler.Held{Slot: schema.Slot{Workload: name}, Workload: w}
}

func revocable(w *schema.Workload) { w.Revocable = true }

func priority(p int) func(*schema.Workload) { return func(w *schema.Workload) { w.Priority = p } }

func inPool(name string) func(*schema.Workload) { return func(w *schema.Workload) { w.Pool = name } }

// evict asks who has to go from nodes of 2 cores that hold the given orders, as
// text.
func evict(tree scheduler.Tree, spare map[string]int, on [][]scheduler.Held, asked ...scheduler.Request) string {
	pool := scheduler.Pool{Tree: tree, Use: map[string]scheduler.Use{}}
	for i, orders := range on {
		n := node(fmt.Sprintf("n%d", i))
		for _, h := range orders {
			n.Hold(h.Workload)
			u := pool.Use[h.Workload.Pool]
			pool.Use[h.Workload.Pool] = scheduler.Use{CPU: u.CPU + h.Workload.Resources.CPU, Memory: u.Memory + h.Workload.Resources.Memory, Slots: u.Slots + 1}
			if _, known := spare[h.Workload.Name]; !known {
				spare[h.Workload.Name] = 1
			}
		}
		pool.Nodes = append(pool.Nodes, n)
	}
	t := scheduler.Open(pool)
	var lines []string
	for _, e := range t.Evict(asked, func(i int) []scheduler.Held { return on[i] }, spare) {
		line := fmt.Sprintf("%s on n%d", e.For, e.Node)
		for _, v := range e.Victims {
			line += fmt.Sprintf(", %s (%s)", v.Slot, v.Why)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestEvict_WhoGoes(t *testing.T) {
	type orders = [][]scheduler.Held
	low, high := held("a/low", 900), held("a/high", 900, priority(2))
	lent, small, big := held("a/lent", 1000, revocable), held("a/small", 300, revocable), held("a/big", 1200, revocable)
	fixed, ending := held("a/fixed", 1800), held("a/ending", 1000)
	fixed.Fixed, ending.Ending = true, true
	ask := request(held("b/new", 1000, priority(1)).Workload, 0)
	for _, c := range []struct {
		name string
		on   orders
		want string
	}{
		{"revocable before lower priority", orders{{low, low}, {lent, high}}, "b/new.0 on n1, a/lent.0 (revocable)"},
		{"lower priority, never higher", orders{{high, high}, {low, high}}, "b/new.0 on n1, a/low.0 (priority 0 is below 1)"},
		{"nobody of the same or a higher priority", orders{{high, high}}, ""},
		{"the smallest that does", orders{{held("a/x", 300, revocable), held("a/y", 1000, revocable), held("a/z", 700, revocable)}}, "b/new.0 on n0, a/y.0 (revocable)"},
		{"the fewest", orders{{small, held("a/s2", 300, revocable), high}, {big, held("a/rest", 800, priority(2))}}, "b/new.0 on n1, a/big.0 (revocable)"},
		{"what need not go stays", orders{{held("a/r1", 400, revocable), held("a/r2", 500, revocable), held("a/r3", 900, priority(0))}}, "b/new.0 on n0, a/r2.0 (revocable), a/r1.0 (revocable)"},
		{"data stays where it is", orders{{fixed}}, ""},
		{"what is ending is waited for", orders{{ending, low}, {lent, high}}, "b/new.0 on n0"},
	} {
		if got := evict(nil, map[string]int{}, c.on, ask); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := evict(nil, map[string]int{"a/low": 0}, orders{{low, low}}, ask); got != "" {
		t.Errorf("beyond maxUnavailable: %s", got)
	}
	waits := fixed
	waits.Waits = true
	if got := evict(nil, map[string]int{}, orders{{waits}}, ask); got != "b/new.0 on n0, a/fixed.0 (priority 0 is below 1)" {
		t.Errorf("data that may wait: %q", got)
	}
	two := []scheduler.Request{ask, request(ask.Workload, 1)}
	want := "b/new.0 on n0, a/low.0 (priority 0 is below 1)"
	if got := evict(nil, map[string]int{"a/low": 1}, orders{{low, low}}, two...); got != want {
		t.Errorf("two, with one to spare: %s", got)
	}
}

// TestEvict_Guarantee: a pool takes back what is guaranteed to it from pools
// that have more than theirs, and from no other.
func TestEvict_Guarantee(t *testing.T) {
	tree := scheduler.Tree{{Name: "default", Weight: 1}, {Name: "other", Parent: "default", Weight: 1}, {Name: "sure", Parent: "default", Weight: 1, Guarantee: &schema.Quantity{CPU: 1000}}}
	ask := request(held("b/new", 1000, inPool("sure")).Workload, 0)
	on := [][]scheduler.Held{{held("a/one", 1500, inPool("other"))}}
	want := "b/new.0 on n0, a/one.0 (pool other is above its guarantee, pool sure below its own)"
	if got := evict(tree, map[string]int{}, on, ask); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	tree[1].Guarantee = &schema.Quantity{CPU: 1000}
	if got := evict(tree, map[string]int{}, on, ask); got != "" {
		t.Errorf("who would fall below its guarantee goes: %s", got)
	}
	tree[1].Guarantee = nil
	ask.Workload.Resources.CPU = 1001
	if got := evict(tree, map[string]int{}, on, ask); got != "" {
		t.Errorf("more than is guaranteed takes from others: %s", got)
	}
}

// TestEvict_KeptForTheVictim: who would come back first, since what is guaranteed
// to its pool is kept for it once it is gone, does not go.
func TestEvict_KeptForTheVictim(t *testing.T) {
	tree := scheduler.Tree{{Name: "default", Weight: 1}, {Name: "other", Parent: "default", Weight: 1}, {Name: "sure", Parent: "default", Weight: 1, Guarantee: &schema.Quantity{CPU: 500}, Lend: true}}
	ask := request(held("b/new", 900, inPool("other")).Workload, 0)
	on := [][]scheduler.Held{{held("a/lent", 900, inPool("sure"), revocable), held("c/rest", 700, inPool("other"))}}
	if got := evict(tree, map[string]int{}, on, ask); got != "" {
		t.Errorf("it goes and comes back: %s", got)
	}
	ask.Workload.Resources.CPU = 600
	if got, want := evict(tree, map[string]int{}, on, ask), "b/new.0 on n0, a/lent.0 (revocable)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestEvict_NoVictimWithoutNeed: with any victim left where it is the request
// would not fit, all of them may be evicted, and no workload loses more than it
// can spare.
func TestEvict_NoVictimWithoutNeed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var on [][]scheduler.Held
		pool := scheduler.Pool{}
		spare := map[string]int{}
		for i := range rapid.IntRange(1, 3).Draw(rt, "nodes") {
			n := node(fmt.Sprintf("n%d", i))
			var orders []scheduler.Held
			for range rapid.IntRange(0, 5).Draw(rt, "orders") {
				name := rapid.SampledFrom(oddNames).Draw(rt, "workload")
				h := held(name, schema.CPU(rapid.IntRange(1, 9).Draw(rt, "cpu")*100), priority(rapid.IntRange(-1, 1).Draw(rt, "priority")))
				h.Workload.Revocable = rapid.IntRange(0, 3).Draw(rt, "revocable") == 0
				h.Slot.Index = len(on)*10 + len(orders)
				n.Hold(h.Workload)
				orders = append(orders, h)
				spare[name] = rapid.IntRange(0, 2).Draw(rt, "spare")
			}
			on, pool.Nodes = append(on, orders), append(pool.Nodes, n)
		}
		asked := request(held("b/new", schema.CPU(rapid.IntRange(1, 20).Draw(rt, "wants")*100)).Workload, 0)
		_, unplaced := scheduler.Place(pool, []scheduler.Request{asked})
		if len(unplaced) == 0 {
			return
		}
		could := map[string]int{}
		for k, v := range spare {
			could[k] = v
		}
		all := scheduler.Open(pool).Evict([]scheduler.Request{asked}, func(i int) []scheduler.Held { return on[i] }, spare)
		if len(all) == 0 {
			return
		}
		e := all[0]
		gone := func(but int) bool {
			table := scheduler.Open(pool)
			for i, v := range e.Victims {
				if i != but {
					table.Lift(e.Node, on[e.Node][v.Order].Workload, nil)
				}
			}
			return table.Ask(e.Node, &asked).Fits
		}
		if !gone(-1) {
			rt.Fatal("it does not fit all the same")
		}
		for i, v := range e.Victims {
			w := on[e.Node][v.Order].Workload
			if could[w.Name]--; gone(i) || could[w.Name] < 0 || !w.Revocable && w.Priority >= 0 {
				rt.Fatalf("%s has to go without need or right: %v", v.Slot, e)
			}
		}
		cheapest := slices.ContainsFunc(on[e.Node], func(h scheduler.Held) bool { return h.Workload.Revocable })
		if len(e.Victims) == 0 || cheapest && e.Victims[0].Why == "" {
			rt.Fatalf("%v", e)
		}
	})
}
