package scheduler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// Held is one order on a node, as [Table.Evict] sees it.
type Held struct {
	Slot     schema.Slot
	Workload *schema.Workload
	Ports    map[string]int
	// Ending is whether it was told to stop: its room is as good as free.
	Ending bool
	// Fixed is whether it must not be moved: its data is on this node. Waits is
	// whether it may be evicted all the same, and then waits here for room.
	Fixed, Waits bool
}

// Eviction is what has to go for a slot to have a place on a node: there or, where
// it is the limit of a pool that is reached, wherever that pool has something.
type Eviction struct {
	For  schema.Slot
	Node int
	// Victims are the fewest and cheapest that do, none of which could stay. There
	// are none where it is enough to wait for what is ending, or where another of
	// the gang made the room.
	Victims []Victim
}

// Victim is one order that has to go.
type Victim struct {
	Slot schema.Slot
	// Node is where it is, Order its place among those that the node holds.
	Node, Order int
	Why         string
}

// Evict finds room for requests that have no place, in their order, by taking it
// from what may be evicted: revocable work first, then what is of a lower priority
// in the same pool, or of a pool above its guarantee where the request's is below
// its own. held are the orders on a node; spare is how many slots of a workload
// may be taken down, and counts down. Of a gang all find room or none does. What
// is found is reserved in t: the Table is of no use after it.
func (t *Table) Evict(requests []Request, held func(node int) []Held, spare map[string]int) (all []Eviction) {
	e := evictor{t: t, spare: spare, held: make([][]Held, len(t.nodes)), steps: mostSteps}
	t.hold(nil)
	for i := range t.nodes {
		e.held[i] = slices.Clone(held(i))
		for k := range e.held[i] {
			if h := &e.held[i][k]; h.Ending && h.Workload != nil {
				e.lift(int32(i), k)
			}
		}
	}
	for asked := 0; asked < len(requests) && asked < maxEvictions; {
		gang := gangOf(requests[asked:])
		all = append(all, e.gang(requests[asked:asked+gang])...)
		asked += gang
	}
	return all
}

// maxEvictions is for how many requests at once room is made, a gang being made
// room for as a whole; the others' turn comes when these have it. It bounds what
// a question can cost.
const maxEvictions = 32

// gangOf is how many of the requests, from the first on, find room together.
func gangOf(requests []Request) int {
	first := &requests[0]
	if !ganged(first) {
		return 1
	}
	other := slices.IndexFunc(requests, func(r Request) bool {
		return r.Workload.Name != first.Workload.Name || r.Together != first.Together
	})
	if other < 0 {
		return len(requests)
	}
	return other
}

// evictor looks for victims. What it lifted is off the Table.
type evictor struct {
	t     *Table
	spare map[string]int
	held  [][]Held
	// steps is how many sets of victims may still be looked at.
	steps int
	// hopeless is the last request for which nobody could go. Until somebody does,
	// one that asks the same fares no better.
	hopeless *Request
	// undo takes back what was reserved and lifted, the last first.
	undo []func()
}

// lift takes an order off its node and its pool, and tells how to put it back.
func (e *evictor) lift(n int32, k int) (back func()) { return e.liftBy(n, k, e.t.count) }

func (e *evictor) liftBy(n int32, k int, count func(i int32, w *schema.Workload, slots int32)) (back func()) {
	h, s := &e.held[n][k], e.t.shares
	leaf, a := s.leaf(e.t, h.Workload.Pool), amountsOf(h.Workload)
	node := e.t.lift(int(n), h.Workload, h.Ports, count)
	s.count(leaf, amounts{}.minus(a), -1)
	return func() {
		node()
		s.count(leaf, a, 1)
	}
}

// gang finds room for all of the requests, one after the other, or for none.
func (e *evictor) gang(requests []Request) (all []Eviction) {
	e.undo = e.undo[:0]
	for i := range requests {
		got, ok := e.room(&requests[i])
		if !ok {
			e.takeBack()
			return nil
		}
		all = append(all, got)
	}
	return all
}

func (e *evictor) takeBack() {
	for _, undo := range slices.Backward(e.undo) {
		undo()
	}
	e.undo = e.undo[:0]
}

// room is the cheapest eviction for a request.
func (e *evictor) room(r *Request) (Eviction, bool) {
	t, w := e.t, r.Workload
	leaf := t.shares.leaf(t, w.Pool)
	t.tell([]Request{*r})
	if t.denies(leaf, r).filter == "" {
		if n, ok := e.take(r, leaf); ok { // what is ending leaves enough
			return Eviction{For: r.Slot, Node: int(n)}, true
		}
	}
	if e.hopeless != nil && alike(e.hopeless, r) {
		return Eviction{}, false
	}
	best := e.cheapest(r, leaf)
	if best == nil {
		e.hopeless = r
		return Eviction{}, false
	}
	return e.carryOut(best, r, leaf), true
}

// take reserves the best place that there is.
func (e *evictor) take(r *Request, leaf int32) (node int32, ok bool) {
	t, w := e.t, r.Workload
	p, ok := t.takeBut(r, t.bars(leaf, r))
	if !ok {
		return -1, false
	}
	n := t.at(p.Node)
	t.shares.count(leaf, amountsOf(w), 1)
	e.undo = append(e.undo, func() {
		t.hold(nil)
		t.set(n, t.nodes[n].without(w, p.ByName(w)), true)
		t.count(n, w, -1)
		t.shares.count(leaf, amounts{}.minus(amountsOf(w)), -1)
	})
	return n, true
}

// cheapest looks at the nodes by the least that they can cost.
func (e *evictor) cheapest(r *Request, leaf int32) (best *plan) {
	relief, possible := e.relief(r, leaf)
	if !possible {
		return nil
	}
	var all []*search
	for n := range e.t.nodes {
		if s := e.search(int32(n), r, leaf, relief); s != nil {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b *search) int { return a.least.compare(b.least) })
	for i, s := range all {
		spent := i > 0 && e.steps <= 0 && len(relief.over) > 0
		if spent || best != nil && s.least.compare(best.cost) >= 0 {
			break
		}
		if p := s.plan(); p != nil && (best == nil || p.cost.compare(best.cost) < 0) {
			best = p
		}
	}
	return best
}

// carryOut takes the victims off and reserves the room: where none of them is, since
// a limit alone was in the way, the best that there is then.
func (e *evictor) carryOut(p *plan, r *Request, leaf int32) Eviction {
	out, here := Eviction{For: r.Slot}, *r
	for _, v := range p.victims {
		h := &e.held[v.node][v.order]
		out.Victims = append(out.Victims, Victim{Slot: h.Slot, Node: int(v.node), Order: v.order, Why: e.why(v, r, leaf) + p.relief.why(e.t.shares, v)})
		if v.node == p.node {
			here.Only = e.t.Name(int(p.node))
		}
	}
	for _, v := range p.victims {
		e.evict(v)
	}
	n, _ := e.take(&here, leaf)
	out.Node = int(n)
	return out
}

// evict takes one victim off.
func (e *evictor) evict(v *candidate) {
	h := &e.held[v.node][v.order]
	name, back := h.Workload.Name, e.lift(v.node, v.order)
	e.hopeless = nil
	h.Ending = true
	e.spare[name]--
	e.undo = append(e.undo, func() {
		back()
		h.Ending = false
		e.spare[name]++
	})
}
