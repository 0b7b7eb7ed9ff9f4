package scheduler

import (
	"cmp"
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// Move is one running slot that would be better placed on another node.
type Move struct {
	Slot     schema.Slot
	From, To string
	// Before and After are what its place counts where it is and where it would
	// be, by the rules of Place, as if it came anew to either.
	Before, After Score
}

// Gain is by how much the place is better, in thousandths.
func (m *Move) Gain() int { return m.After.Total() - m.Before.Total() }

// leastGain is what a move has to gain: less is not worth a restart.
const leastGain = 50

// Improve tells which running slots would be better placed elsewhere, such as
// after nodes joined, at most budget of them: those that gain the most first. Each
// may be carried out after those before it, breaks no rule, and no slot moves
// twice. held are the orders on a node; spare is how many slots of a workload may
// be taken down at once, and counts down. What others want to be near to or apart
// from stays, and so does what is Fixed, ending, or placed as a gang. Nothing in
// pool is changed.
func Improve(pool Pool, held func(node int) []Held, spare map[string]int, budget int) (moves []Move) {
	b := better{t: Open(pool), spare: spare}
	for _, m := range b.candidates(held) {
		if len(moves) == budget {
			break
		}
		if got, ok := b.move(&m); ok {
			moves = append(moves, got)
		}
	}
	return moves
}

// better looks for moves; those that it has made are on its Table.
type better struct {
	t     *Table
	spare map[string]int
}

// mover is an order that may move, and what it would gain were it the only one.
type mover struct {
	node int32
	held Held
	gain int
}

// candidates are the orders that would gain by moving alone, the most first.
func (b *better) candidates(held func(node int) []Held) (all []mover) {
	for _, m := range b.movable(held) {
		if got, ok := b.try(m.node, &m.held, false); ok {
			m.gain = got.Gain()
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(x, y mover) int {
		return cmp.Or(cmp.Compare(y.gain, x.gain), x.held.Slot.Compare(y.held.Slot), cmp.Compare(x.node, y.node))
	})
	return all
}

// movable are the orders that may move at all, each of which the Table is told.
func (b *better) movable(held func(node int) []Held) (all []mover) {
	wanted := map[string]bool{} // by workload: whether others count where it is
	var requests []Request
	for i := range b.t.nodes {
		for _, h := range held(i) {
			if h.Workload == nil {
				continue
			}
			for _, n := range h.Workload.Near {
				wanted[n.Workload] = true
			}
			if b.t.nodes[i].Closed == "" && b.mayMove(&h) {
				all = append(all, mover{node: int32(i), held: h})
				requests = append(requests, Request{Workload: h.Workload})
			}
		}
	}
	b.t.tell(requests)
	return slices.DeleteFunc(all, func(m mover) bool { return wanted[m.held.Workload.Name] })
}

func (b *better) mayMove(h *Held) bool {
	return !h.Fixed && !h.Ending && h.Workload != nil && !h.Workload.Gang && b.spare[h.Workload.Name] > 0
}

// move makes a move, if it still gains enough after those before.
func (b *better) move(m *mover) (Move, bool) {
	if !b.mayMove(&m.held) {
		return Move{}, false
	}
	got, ok := b.try(m.node, &m.held, true)
	if ok {
		b.spare[m.held.Workload.Name]--
	}
	return got, ok
}

// try asks for the best place of an order as if it were not there, and with keep
// gives it that one.
func (b *better) try(n int32, h *Held, keep bool) (m Move, ok bool) {
	t, r := b.t, Request{Slot: h.Slot, Workload: h.Workload}
	barred, back := b.off(n, h)
	g := t.run(&r)
	g.barred = barred
	to := g.next(-1)
	if to >= 0 && to != n {
		if here := g.verdict(n); here.Fits {
			m = Move{Slot: h.Slot, From: t.Name(int(n)), To: t.Name(int(to)), Before: here.Score, After: g.scoreOf(to)}
			ok = m.Gain() >= leastGain
		}
	}
	if ok && keep {
		g.take(to, h.Slot)
		t.end(g)
		t.shares.count(t.shares.leaf(t, h.Workload.Pool), amountsOf(h.Workload), 1)
		return m, true
	}
	t.end(g)
	back()
	return m, ok
}

// off takes an order off its node and its pool. Barred are the pools on whose nodes
// others would lack more of what is held for them, were it there, than they do now.
func (b *better) off(n int32, h *Held) (barred []int32, back func()) {
	t, s, w := b.t, b.t.shares, h.Workload
	leaf, want := s.leaf(t, w.Pool), amountsOf(w)
	now := s.lacking(leaf)
	node := t.Lift(int(n), w, h.Ports)
	s.count(leaf, amounts{}.minus(want), -1)
	for home := leaf; s.promised && s.split && home >= 0; home = s.all[home].parent {
		if s.takesOf(leaf, home, 0, want[0], w.Revocable, now) || s.takesOf(leaf, home, 1, want[1], w.Revocable, now) {
			barred = append(barred, home)
		}
	}
	return barred, func() {
		node()
		s.count(leaf, want, 1)
	}
}
