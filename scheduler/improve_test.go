package scheduler_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// fleet is nodes with what their orders hold, as Improve is told of it.
type fleet struct {
	pool  scheduler.Pool
	held  [][]scheduler.Held
	spare map[string]int
}

func (f *fleet) on(node int) []scheduler.Held { return f.held[node] }

func (f *fleet) at(name string) int {
	return slices.IndexFunc(f.pool.Nodes, func(n scheduler.Node) bool { return n.Node.Name == name })
}

// hold gives a node an order of w.
func (f *fleet) hold(i int, r scheduler.Request, ports map[string]int) {
	n := &f.pool.Nodes[i]
	n.Hold(r.Workload)
	for _, p := range ports {
		n.Ports = append(n.Ports, p)
	}
	slices.Sort(n.Ports)
	n.Slots[r.Workload.Name]++
	f.held[i] = append(f.held[i], scheduler.Held{Slot: r.Slot, Workload: r.Workload, Ports: ports})
}

func newFleet(count int) *fleet {
	f := &fleet{held: make([][]scheduler.Held, count), spare: map[string]int{}}
	for i := range count {
		n := node(fmt.Sprintf("n%02d", i))
		n.Slots = map[string]int{}
		f.pool.Nodes = append(f.pool.Nodes, n)
	}
	return f
}

// oddFleet is work with rules that was placed anywhere it may be.
func oddFleet(t *rapid.T) *fleet {
	f := newFleet(rapid.IntRange(2, 8).Draw(t, "nodes"))
	for i := range f.pool.Nodes {
		f.pool.Nodes[i].Node.Attributes = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone")}
	}
	if rapid.Bool().Draw(t, "emptiest") {
		f.pool.Tree = scheduler.Tree{{Name: scheduler.DefaultPool, Weight: 1, Place: "emptiest"}}
	}
	for k := range rapid.IntRange(1, 4).Draw(t, "workloads") {
		w := work(fmt.Sprintf("a/w%d", k))
		w.Resources = schema.Resources{CPU: schema.CPU(rapid.SampledFrom([]int{100, 400, 900}).Draw(t, "cpu")), Memory: 1 << 29}
		switch rapid.IntRange(0, 4).Draw(t, "rule") {
		case 0:
			w.Spread = []schema.Spread{{Over: "zone", Weight: 50}}
		case 1:
			w.MaxPer = map[string]int{"node": 1}
		case 2:
			w.Constraints = []schema.Constraint{{Attribute: "zone", Op: "!=", Value: "b"}}
		case 3:
			w.Near = []schema.Near{{Workload: "a/w0", Over: "zone", Must: true, Apart: rapid.Bool().Draw(t, "apart")}}
		}
		if rapid.Bool().Draw(t, "port") {
			w.Ports = map[string]schema.Port{"http": {Container: 80, Host: rapid.SampledFrom([]int{0, 8080}).Draw(t, "host")}}
		}
		f.spare[w.Name] = rapid.IntRange(0, 3).Draw(t, "spare")
		f.scatter(t, w)
	}
	return f
}

func (f *fleet) scatter(t *rapid.T, w *schema.Workload) {
	for i := range rapid.IntRange(0, 5).Draw(t, "slots") {
		r := request(w, i)
		r.Only = f.pool.Nodes[rapid.IntRange(0, len(f.pool.Nodes)-1).Draw(t, "on")].Node.Name
		if placed, _ := scheduler.Place(f.pool, []scheduler.Request{r}); len(placed) == 1 {
			r.Only = ""
			f.hold(f.at(placed[0].Node), r, placed[0].ByName(r.Workload))
		}
	}
}

// carryOut takes the order off its node and asks for its place on the other one
// by itself: the rule of Place has to agree.
func (f *fleet) carryOut(t *rapid.T, m *scheduler.Move) {
	from := f.at(m.From)
	k := slices.IndexFunc(f.held[from], func(h scheduler.Held) bool { return h.Slot == m.Slot })
	if k < 0 {
		t.Fatalf("%s is not on %s", m.Slot, m.From)
	}
	h := f.held[from][k]
	was := f.held
	nodes := newFleet(len(was))
	for i := range was {
		nodes.pool.Nodes[i].Node = f.pool.Nodes[i].Node
		for _, o := range was[i] {
			if i != from || o.Slot != m.Slot {
				nodes.hold(i, scheduler.Request{Slot: o.Slot, Workload: o.Workload}, o.Ports)
			}
		}
	}
	f.held, f.pool.Nodes = nodes.held, nodes.pool.Nodes
	r := scheduler.Request{Slot: h.Slot, Workload: h.Workload, Only: m.To}
	placed, unplaced := scheduler.Place(f.pool, []scheduler.Request{r})
	if len(placed) != 1 {
		t.Fatalf("%+v cannot be carried out: %s", m, unplaced[0].Why.String())
	}
	if placed[0].Score != m.After {
		t.Fatalf("%+v: its place counts %s", m, placed[0].Score)
	}
	r.Only = ""
	f.hold(f.at(m.To), r, placed[0].ByName(r.Workload))
}

// TestImprove_Moves: each move can be carried out after those before it, gains,
// and keeps within the budget and what may be down of its workload.
func TestImprove_Moves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := oddFleet(rt)
		budget := rapid.IntRange(0, 5).Draw(rt, "budget")
		left, again := map[string]int{}, map[string]int{}
		for name, n := range f.spare {
			left[name], again[name] = n, n
		}
		moves := scheduler.Improve(f.pool, f.on, f.spare, budget)
		if same := scheduler.Improve(f.pool, f.on, again, budget); !reflect.DeepEqual(moves, same) {
			rt.Fatalf("%v, then %v", moves, same)
		}
		if len(moves) > budget {
			rt.Fatalf("%d moves of %d", len(moves), budget)
		}
		moved := map[schema.Slot]bool{}
		for i := range moves {
			m := &moves[i]
			if left[m.Slot.Workload]--; left[m.Slot.Workload] < 0 || moved[m.Slot] || m.Gain() <= 0 {
				rt.Fatalf("%+v of %+v", m, moves)
			}
			moved[m.Slot] = true
			f.carryOut(rt, m)
			f.nearHolds(rt)
		}
	})
}

// nearHolds wants every slot to have the neighbours that it must have.
func (f *fleet) nearHolds(t *rapid.T) {
	zones := map[string]bool{}
	for i, held := range f.held {
		for _, h := range held {
			zones[h.Workload.Name+" in "+f.pool.Nodes[i].Node.Attributes["zone"]] = true
		}
	}
	for i, held := range f.held {
		for _, h := range held {
			for _, n := range h.Workload.Near {
				if n.Workload != h.Workload.Name && zones[n.Workload+" in "+f.pool.Nodes[i].Node.Attributes["zone"]] == n.Apart {
					t.Fatalf("%s on %s lost its neighbours", h.Slot, f.pool.Nodes[i].Node.Name)
				}
			}
		}
	}
}

// TestImprove_PacksAndSpreads: equal work on equal nodes comes to fewer nodes,
// or in a pool that spreads to the node that joined.
func TestImprove_PacksAndSpreads(t *testing.T) {
	w := func(i int) *schema.Workload { return work(fmt.Sprintf("a/w%d", i)) }
	f := newFleet(3)
	for i, at := range []int{0, 0, 1} {
		f.hold(at, request(w(i), 0), nil)
		f.spare[w(i).Name] = 1
	}
	moves := scheduler.Improve(f.pool, f.on, f.spare, 9)
	if len(moves) != 1 || moves[0].From != "n01" || moves[0].To != "n00" {
		t.Errorf("%+v", moves)
	}
	f = newFleet(2)
	f.pool.Tree = scheduler.Tree{{Name: scheduler.DefaultPool, Weight: 1, Place: "emptiest"}}
	for i := range 4 {
		f.hold(0, request(w(i), 0), nil)
		f.spare[w(i).Name] = 1
	}
	moves = scheduler.Improve(f.pool, f.on, f.spare, 9)
	if len(moves) != 2 || moves[0].To != "n01" || moves[1].To != "n01" {
		t.Errorf("%+v", moves)
	}
}

// TestImprove_StaysPut: what is fixed or ending does not move, whatever that gains.
func TestImprove_StaysPut(t *testing.T) {
	for _, c := range []struct {
		change func(*scheduler.Held)
		moves  int
	}{
		{func(*scheduler.Held) {}, 1},
		{func(h *scheduler.Held) { h.Fixed = true }, 0},
		{func(h *scheduler.Held) { h.Fixed, h.Waits = true, true }, 0},
		{func(h *scheduler.Held) { h.Ending = true }, 0},
	} {
		f := newFleet(2)
		for i, at := range []int{0, 0, 1} {
			w := work(fmt.Sprintf("a/w%d", i))
			f.hold(at, request(w, 0), nil)
			f.spare[w.Name] = 1
		}
		f.held[0][0].Fixed, f.held[0][1].Fixed = true, true
		c.change(&f.held[1][0])
		if moves := scheduler.Improve(f.pool, f.on, f.spare, 9); len(moves) != c.moves {
			t.Errorf("%+v moves: %+v", f.held[1][0], moves)
		}
	}
}

// TestImprove_KeepsWhatIsHeld: nothing moves to where room is held for others, but
// well where it holds some itself.
func TestImprove_KeepsWhatIsHeld(t *testing.T) {
	for _, c := range []struct {
		guarantee schema.CPU
		moves     int
	}{{0, 1}, {500, 1}, {501, 0}, {1000, 0}} {
		f := newFleet(2)
		f.pool.Tree = scheduler.Tree{{Name: "a", Parent: "top", Weight: 1}, {Name: "b", Parent: "top", Weight: 1, Guarantee: &schema.Quantity{CPU: c.guarantee}}, {Name: "top", Weight: 1}}
		for i, owner := range []string{"top", "a"} {
			f.pool.Nodes[i].Node.Attributes = map[string]string{"pool": owner}
			f.pool.Nodes[i].Node.Allocatable = nodes.Capacity{CPU: schema.CPU(1000 + 3000*i), Memory: 4 << 30}
		}
		w := work("x/w")
		w.Pool = "a"
		f.hold(1, request(w, 0), nil)
		f.spare[w.Name], f.pool.Use = 1, map[string]scheduler.Use{"a": scheduler.Use{}.Plus(w)}
		if moves := scheduler.Improve(f.pool, f.on, f.spare, 9); len(moves) != c.moves {
			t.Errorf("%s is guaranteed to b: %+v", c.guarantee, moves)
		}
	}
}

// TestImprove_BarsNoOneWhoMovesWithin: what is lacking already keeps nobody from a
// better node of the same pool.
func TestImprove_BarsNoOneWhoMovesWithin(t *testing.T) {
	f := newFleet(3)
	f.pool.Tree = scheduler.Tree{{Name: "a", Parent: "top", Weight: 1}, {Name: "b", Parent: "top", Weight: 1, Guarantee: &schema.Quantity{CPU: 9000}},
		{Name: "c", Parent: "top", Weight: 1, Nodes: []schema.Constraint{{Attribute: "node", Op: "exists"}}}, {Name: "top", Weight: 1}}
	for i := range f.pool.Nodes {
		f.pool.Nodes[i].Node.Attributes = map[string]string{"pool": "top"}
	}
	f.pool.Nodes[2].Node.Attributes["node"] = "n02"
	f.pool.Use = map[string]scheduler.Use{}
	for i, at := range []int{0, 1} {
		w := work(fmt.Sprintf("x/w%d", i))
		w.Pool = "a"
		f.hold(at, request(w, 0), nil)
		f.spare[w.Name], f.pool.Use["a"] = 1, f.pool.Use["a"].Plus(w)
	}
	if moves := scheduler.Improve(f.pool, f.on, f.spare, 1); len(moves) != 1 {
		t.Errorf("%+v", moves)
	}
}
