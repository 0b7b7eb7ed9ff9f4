package scheduler

import (
	"cmp"
	"fmt"
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

// Eviction is what has to go from a node for a slot to have a place there.
type Eviction struct {
	For  schema.Slot
	Node int
	// Victims are the fewest that do, none of which could stay. There are none
	// where it is enough to wait for what is ending.
	Victims []Victim
}

// Victim is one order that has to go.
type Victim struct {
	Slot schema.Slot
	// Order is its place among those that the node holds.
	Order int
	Why   string
}

// Evict finds room for requests that have no place, in their order, by taking it
// from what may be evicted: revocable work first, then what is of a lower priority
// in the same pool, or of a pool above its guarantee where the request's is below
// its own. held are the orders on a node; spare is how many slots of a workload
// may be taken down, and counts down. A gang evicts nothing. What is found is
// reserved in t: the Table is of no use after it.
func (t *Table) Evict(requests []Request, held func(node int) []Held, spare map[string]int) (all []Eviction) {
	e := evictor{t: t, spare: spare, held: make([][]Held, len(t.nodes))}
	t.hold(nil)
	for i := range t.nodes {
		e.held[i] = slices.Clone(held(i))
		for k := range e.held[i] {
			if h := &e.held[i][k]; h.Ending && h.Workload != nil {
				e.lift(int32(i), k)
			}
		}
	}
	for i := range requests[:min(len(requests), maxEvictions)] {
		if got, ok := e.room(&requests[i]); ok {
			all = append(all, got)
		}
	}
	return all
}

// maxEvictions is for how many requests at once room is made; the others' turn
// comes when these have it. It bounds what a question can cost.
const maxEvictions = 32

// evictor looks for victims. What it lifted is off the Table.
type evictor struct {
	t     *Table
	spare map[string]int
	held  [][]Held
}

func (e *evictor) lift(n int32, k int) (back func()) {
	h := &e.held[n][k]
	return e.t.Lift(int(n), h.Workload, h.Ports)
}

// room is the cheapest eviction for a request.
func (e *evictor) room(r *Request) (Eviction, bool) {
	t, w := e.t, r.Workload
	leaf := t.shares.leaf(t, w.Pool)
	if ganged(r) || t.shares.forbid(leaf, w, 0) != nil {
		return Eviction{}, false
	}
	t.tell([]Request{*r})
	if p, ok := t.Take(r); ok { // what is ending leaves enough
		t.shares.count(leaf, amountsOf(w), 1)
		return Eviction{For: r.Slot, Node: int(t.at(p.Node))}, true
	}
	best := e.cheapest(r, leaf)
	if best == nil {
		return Eviction{}, false
	}
	return e.carryOut(best, r, leaf), true
}

// cheapest looks at the nodes by what they would cost if cpu and memory were
// all that counts, which is the least that they can cost.
func (e *evictor) cheapest(r *Request, leaf int32) (best *plan) {
	var rough []*plan
	for n := range e.t.nodes {
		if p := e.plan(int32(n), r, leaf, e.roomWithout); p != nil {
			rough = append(rough, p)
		}
	}
	slices.SortStableFunc(rough, func(a, b *plan) int { return slices.Compare(a.cost[:], b.cost[:]) })
	for _, q := range rough {
		if best != nil && !q.cheaper(best) {
			break
		}
		if p := e.plan(q.node, r, leaf, e.fitsWithout); p != nil && (best == nil || p.cheaper(best)) {
			best = p
		}
	}
	return best
}

// plan is a way to make room on one node.
type plan struct {
	node    int32
	victims []int // by what goes first
	// cost is how many are not revocable, the highest priority among them, and
	// how many there are.
	cost [3]int
}

func (p *plan) cheaper(q *plan) bool { return slices.Compare(p.cost[:], q.cost[:]) < 0 }

// without is whether a node takes a request with some orders off it.
type without func(n int32, r *Request, orders []int) bool

// plan is the cheapest way on a node; nil if there is none.
func (e *evictor) plan(n int32, r *Request, leaf int32, fits without) *plan {
	order := e.candidates(n, r, leaf)
	if len(order) == 0 || !fits(n, r, order) {
		return nil
	}
	for i := len(order) - 1; i >= 0; i-- { // the smallest of the first kind that does
		if k := order[i]; e.rankOf(n, k) == e.rankOf(n, order[0]) && fits(n, r, order[i:i+1]) {
			return e.price(n, order[i:i+1])
		}
	}
	some := 1
	for !fits(n, r, order[:some]) {
		some++
	}
	return e.price(n, spared(n, r, order[:some], fits))
}

// rankOf is what goes first: revocable work, then by priority.
func (e *evictor) rankOf(n int32, k int) [2]int {
	w := e.held[n][k].Workload
	if w.Revocable {
		return [2]int{0, w.Priority}
	}
	return [2]int{1, w.Priority}
}

// candidates are the orders that may go for the request, in the order in which
// they do: of equal rank the largest first.
func (e *evictor) candidates(n int32, r *Request, leaf int32) (order []int) {
	taken := map[string]int{}
	for k := range e.held[n] {
		h := &e.held[n][k]
		if h.Ending || h.Fixed && !h.Waits || h.Workload == nil || h.Slot == r.Slot || e.mayEvict(r, leaf, h.Workload) == "" {
			continue
		}
		order = append(order, k)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := e.rankOf(n, a), e.rankOf(n, b)
		return cmp.Or(slices.Compare(x[:], y[:]), cmp.Compare(e.size(n, b), e.size(n, a)))
	})
	return slices.DeleteFunc(order, func(k int) bool {
		name := e.held[n][k].Workload.Name
		taken[name]++
		return taken[name] > e.spare[name]
	})
}

// size is the largest share of the node that an order has, in thousandths.
func (e *evictor) size(n int32, k int) int64 {
	r := e.held[n][k].Workload.Resources
	return max(int64(1000*part64(int64(r.CPU), e.t.capCPU[n])), int64(1000*part64(int64(r.Memory), e.t.capMem[n])))
}

// mayEvict is why the request goes before what is there; empty if it does not.
// It would be served first too, so that nobody is evicted in turn for what it
// made end.
func (e *evictor) mayEvict(r *Request, leaf int32, there *schema.Workload) string {
	s, w := e.t.shares, r.Workload
	victim := s.leaf(e.t, there.Pool)
	switch {
	case s.top(leaf) != s.top(victim):
		return ""
	case there.Revocable && !w.Revocable:
		return "revocable"
	case leaf == victim && there.Revocable == w.Revocable && there.Priority < w.Priority:
		return fmt.Sprintf("priority %d is below %d", there.Priority, w.Priority)
	case leaf != victim && !w.Revocable && s.owed(leaf, amountsOf(w)) && s.over(victim, amountsOf(there)):
		return fmt.Sprintf("pool %s is above its guarantee, pool %s below its own", there.Pool, w.Pool)
	}
	return ""
}

// owed is whether a pool stays within what is guaranteed to it with so much
// more.
func (s *shares) owed(leaf int32, want amounts) bool {
	x := &s.all[leaf]
	for r, g := range x.guarantee {
		if g > 0 && x.use.plus(want)[r] > g {
			return false
		}
	}
	return x.guarantee != amounts{}
}

// over is whether a pool keeps its guarantee, and those above it theirs, with so
// much less.
func (s *shares) over(leaf int32, less amounts) bool {
	for at := leaf; at >= 0; at = s.all[at].parent {
		if x := &s.all[at]; x.parent >= 0 && x.guarantee.above(x.use.minus(less)) {
			return false
		}
	}
	return true
}

// roomWithout is whether cpu and memory would do: a quick look before the
// thorough one.
func (e *evictor) roomWithout(n int32, r *Request, orders []int) bool {
	free := amounts{e.t.cpu[n], e.t.mem[n]}
	for _, k := range orders {
		free = free.plus(amountsOf(e.held[n][k].Workload))
	}
	return !amountsOf(r.Workload).above(free)
}

// fitsWithout asks the one rule with some orders off the node.
func (e *evictor) fitsWithout(n int32, r *Request, orders []int) bool {
	for _, k := range orders {
		back := e.lift(n, k)
		defer back()
	}
	return e.t.Ask(int(n), r).Fits
}

// spared leaves out victims that need not go, the ones that go last first.
func spared(n int32, r *Request, victims []int, fits without) []int {
	victims = slices.Clone(victims)
	for i := len(victims) - 1; i >= 0; i-- {
		if fewer := slices.Delete(slices.Clone(victims), i, i+1); fits(n, r, fewer) {
			victims = fewer
		}
	}
	return victims
}

func (e *evictor) price(n int32, victims []int) *plan {
	p := &plan{node: n, victims: victims, cost: [3]int{0, -1 << 30, len(victims)}}
	for _, k := range victims {
		if w := e.held[n][k].Workload; !w.Revocable {
			p.cost[0]++
			p.cost[1] = max(p.cost[1], w.Priority)
		}
	}
	return p
}

// carryOut takes the victims off and reserves the room.
func (e *evictor) carryOut(p *plan, r *Request, leaf int32) Eviction {
	s := e.t.shares
	out := Eviction{For: r.Slot, Node: int(p.node)}
	for _, k := range p.victims {
		h := &e.held[p.node][k]
		out.Victims = append(out.Victims, Victim{Slot: h.Slot, Order: k, Why: e.mayEvict(r, leaf, h.Workload)})
	}
	for _, k := range p.victims {
		h := &e.held[p.node][k]
		e.lift(p.node, k)
		h.Ending = true
		e.spare[h.Workload.Name]--
		s.count(s.leaf(e.t, h.Workload.Pool), amounts{}.minus(amountsOf(h.Workload)), -1)
	}
	here := *r
	here.Only = e.t.Name(int(p.node))
	e.t.Take(&here)
	s.count(leaf, amountsOf(r.Workload), 1)
	return out
}
