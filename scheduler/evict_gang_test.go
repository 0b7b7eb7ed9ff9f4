package scheduler_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

func gangOf(w *schema.Workload, slots int) (all []scheduler.Request) {
	w.Gang = true
	for i := range slots {
		all = append(all, request(w, i))
	}
	return all
}

func TestEvict_Gang(t *testing.T) {
	type orders = [][]scheduler.Held
	low, other, high := held("a/low", 1500), held("a/other", 1500), held("a/high", 1500, priority(2))
	ask := gangOf(held("b/new", 1200, priority(1)).Workload, 2)
	both := "b/new.0 on n0, a/low.0 (priority 0 is below 1)\nb/new.1 on n1, a/other.0 (priority 0 is below 1)"
	for _, c := range []struct {
		name  string
		spare map[string]int
		on    orders
		want  string
	}{
		{"the union of the victims", nil, orders{{low}, {other}}, both},
		{"one finds room, the other takes it", nil, orders{{}, {other}}, "b/new.0 on n0\nb/new.1 on n1, a/other.0 (priority 0 is below 1)"},
		{"one finds none: nobody goes", nil, orders{{low}, {high}}, ""},
		{"two of a workload that can spare one", map[string]int{"a/low": 1}, orders{{low}, {low}}, ""},
		{"two of a workload that can spare two", map[string]int{"a/low": 2}, orders{{low}, {low}}, strings.Replace(both, "other", "low", 1)},
	} {
		spare := maps.Clone(c.spare)
		if spare == nil {
			spare = map[string]int{}
		}
		if got := evict(nil, spare, c.on, ask...); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	tree := scheduler.Tree{{Name: "default", Weight: 1, Limit: &schema.Quantity{CPU: 1900}}}
	if got := evict(tree, map[string]int{}, orders{{}, {low}}, ask...); got != "" {
		t.Errorf("beyond the pool's limit: %s", got)
	}
}

// TestEvict_GangAllOrNone: either every slot of a gang has room once all victims
// are gone, no workload losing more than it can spare over all of them (I1), or
// nobody goes and who is asked about next finds everything as it was.
func TestEvict_GangAllOrNone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, one, asked := oddCrowd(rt), oddAsked(rt), oddAsked(rt)
		gang := gangOf(one.Workload, rapid.IntRange(1, 4).Draw(rt, "slots"))
		asked.Slot.Workload, asked.Workload.Name = "b/next", "b/next"
		all := c.evict(append(gang, asked)...)
		if len(all) == 0 || all[0].For != gang[0].Slot {
			if alone := c.evict(asked); !reflect.DeepEqual(all, alone) {
				rt.Fatalf("got %v, alone %v", all, alone)
			}
			return
		}
		table, left := scheduler.Open(c.pool), maps.Clone(c.spare)
		for _, e := range all[:len(gang)] {
			for _, v := range e.Victims {
				h := c.on[e.Node][v.Order]
				table.Lift(e.Node, h.Workload, h.Ports)
				if left[h.Workload.Name]--; left[h.Workload.Name] < 0 {
					rt.Fatalf("%s loses more than it can spare", h.Workload.Name)
				}
			}
		}
		for i, r := range gang {
			if r.Only = table.Name(all[i].Node); r.Slot != all[i].For {
				rt.Fatalf("%s in the place of %s", all[i].For, r.Slot)
			}
			if _, ok := table.Take(&r); !ok {
				rt.Fatalf("%s has no room on %s: %v", r.Slot, r.Only, all)
			}
		}
	})
}

// TestPlace_GangWaits: while what goes for a gang is ending, room is kept for all
// of it, and no slot of it has a place.
func TestPlace_GangWaits(t *testing.T) {
	first, second := node("n1"), node("n2")
	second.Reserved = nodes.Capacity{CPU: 1500}
	second.Ending = second.Reserved
	pool := scheduler.Pool{Nodes: []scheduler.Node{first, second}}
	gang, other := work("a/gang"), work("b/other")
	gang.Resources.CPU, other.Resources.CPU = 1800, 1000
	placed, unplaced := scheduler.Place(pool, append(gangOf(gang, 2), request(other, 0)))
	var got []string
	for _, u := range unplaced {
		got = append(got, fmt.Sprintf("%s waits for %q", u.Slot, u.Waits))
	}
	if want := []string{`a/gang.0 waits for "n1"`, `a/gang.1 waits for "n2"`, `b/other.0 waits for ""`}; len(placed) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %q", placed, got)
	}
	pool.Nodes[1].Ending = nodes.Capacity{CPU: 1000}
	placed, unplaced = scheduler.Place(pool, append(gangOf(gang, 2), request(other, 0)))
	if len(placed) != 1 || placed[0].Slot.Workload != "b/other" || len(unplaced) != 2 || unplaced[0].Waits != "" {
		t.Errorf("too little is ending: %v, %v", placed, unplaced)
	}
}

// TestEvict_WhoIsInTheWay: who has to go for a neighbour's or an own rule alone is
// counted off where it is while a node is asked.
func TestEvict_WhoIsInTheWay(t *testing.T) {
	apart := held("b/new", 100, priority(1), func(w *schema.Workload) {
		w.Near = []schema.Near{{Workload: "a/low", Over: schema.EachNode, Apart: true, Must: true}}
	})
	single := held("a/low", 100, priority(1), func(w *schema.Workload) { w.MaxPer = map[string]int{schema.EachNode: 1} })
	for _, c := range []struct {
		asked scheduler.Held
		index int
		want  string
	}{
		{apart, 0, "b/new.0 on n0, a/low.0 (priority 0 is below 1)"},
		{single, 1, "a/low.1 on n0, a/low.0 (priority 0 is below 1)"},
	} {
		low := held("a/low", 100)
		n := node("n0")
		n.Hold(low.Workload)
		n.Slots = map[string]int{"a/low": 1}
		pool := scheduler.Pool{Nodes: []scheduler.Node{n}}
		got := ""
		for _, e := range scheduler.Open(pool).Evict([]scheduler.Request{request(c.asked.Workload, c.index)}, func(int) []scheduler.Held { return []scheduler.Held{low} }, map[string]int{"a/low": 1}) {
			got = fmt.Sprintf("%s on n%d, %s (%s)", e.For, e.Node, e.Victims[0].Slot, e.Victims[0].Why)
		}
		if got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
