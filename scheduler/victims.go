package scheduler

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// candidate is an order that may have to go for a request.
type candidate struct {
	node    int32
	order   int // its place among those that the node holds
	work    *schema.Workload
	leaf    int32
	amounts amounts
	// size is the largest share that it is of the node that is asked, in thousandths.
	size  int
	right right
	waits bool // it has its data there
	ports bool
}

// right is by what a request goes before what is there.
type right uint8

const (
	noRight right = iota
	byKind        // it is not revocable, what is there is
	byPriority
	// byGuarantee holds as long as no pool of what goes falls below what is
	// guaranteed to it.
	byGuarantee
)

// rank is what goes first: revocable work, then by priority.
func (c *candidate) rank() [2]int {
	if c.work.Revocable {
		return [2]int{0, c.work.Priority}
	}
	return [2]int{1, c.work.Priority}
}

// candidates are the orders of the node that may go for the request, in the order
// in which they do.
func (s *search) candidates() []candidate {
	all := make([]candidate, 0, len(s.e.held[s.node]))
	for k := range s.e.held[s.node] {
		if c, may := s.candidate(s.node, k); may {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, sooner)
	return all
}

// candidate is an order of a node, if it may go for the request.
func (s *search) candidate(n int32, k int) (c candidate, may bool) {
	e, h := s.e, &s.e.held[n][k]
	if h.Ending || h.Fixed && !h.Waits || h.Workload == nil || h.Slot == s.r.Slot || e.spare[h.Workload.Name] <= 0 {
		return c, false
	}
	c = candidate{node: n, order: k, work: h.Workload, amounts: amountsOf(h.Workload), waits: h.Waits, ports: len(h.Ports) > 0}
	c.leaf = e.t.shares.leaf(e.t, h.Workload.Pool)
	if c.right = s.right(&c); c.right == noRight {
		return c, false
	}
	if s.node >= 0 {
		c.size = int(1000 * max(part64(c.amounts[0], e.t.capCPU[s.node]), part64(c.amounts[1], e.t.capMem[s.node])))
	}
	return c, true
}

// sooner is the order in which candidates go: of equal rank the largest first, of
// these the last of the first node.
func sooner(a, b candidate) int {
	x, y := a.rank(), b.rank()
	return cmp.Or(slices.Compare(x[:], y[:]), cmp.Compare(b.size, a.size), cmp.Compare(a.node, b.node), cmp.Compare(b.order, a.order))
}

// enough is whether a node would have the cpu and memory with nothing on it that
// may ever go: a quick look before the others.
func (e *evictor) enough(n int32, r *Request) bool {
	free := amounts{e.t.cpu[n], e.t.mem[n]}
	for k := range e.held[n] {
		if h := &e.held[n][k]; !h.Ending && h.Workload != nil {
			free = free.plus(amountsOf(h.Workload))
		}
	}
	return !amountsOf(r.Workload).above(free)
}

// right is by what the request goes before what is there, if it does. It would be
// served first too, so that nobody is evicted in turn for what it made end. Where no
// node is asked, so that nothing is known to be scarce, it may be by guarantee.
func (s *search) right(c *candidate) right {
	shares, w, there := s.e.t.shares, s.r.Workload, c.work
	switch {
	case shares.top(s.leaf) != shares.top(c.leaf):
	case there.Revocable && !w.Revocable:
		return byKind
	case s.leaf == c.leaf && there.Revocable == w.Revocable && there.Priority < w.Priority:
		return byPriority
	case s.leaf != c.leaf && !w.Revocable && shares.promised && (s.node < 0 || s.entitled(c.leaf) && s.mayLose(c, []*candidate{c})):
		return byGuarantee
	}
	return noRight
}

// why tells it.
func (e *evictor) why(c *candidate, r *Request, leaf int32) string {
	switch c.right {
	case byKind:
		return "revocable"
	case byPriority:
		return fmt.Sprintf("priority %d is below %d", c.work.Priority, r.Workload.Priority)
	}
	s := e.t.shares
	return fmt.Sprintf("pool %s is above its guarantee, pool %s below its own", c.work.Pool, s.all[s.owner(leaf, c.leaf)].name)
}

// apart are a pool and those that it is a part of, as far up as another is no part
// of them.
func (s *shares) apart(leaf, other int32) iter.Seq2[int32, *share] {
	return func(yield func(int32, *share) bool) {
		for at := leaf; at >= 0 && !s.within(other, at); at = s.all[at].parent {
			if !yield(at, &s.all[at]) {
				return
			}
		}
	}
}

// within is whether a pool is another one or a part of it.
func (s *shares) within(id, outer int32) bool {
	for ; id >= 0; id = s.all[id].parent {
		if id == outer {
			return true
		}
	}
	return false
}

// scarce are the resources that a node has too little of for the request, or has free
// only for others, or that a limit leaves too little of; where there is enough of all, and something else that it lacks, all.
func (s *search) scarce() (short [2]bool) {
	t, want := s.e.t, amountsOf(s.r.Workload)
	free := t.freeOf(s.node)
	for r := range want {
		short[r] = want[r] > free[r] || t.shares.takes(s.leaf, t.owner[s.node], r, want[r], s.r.Workload.Revocable)
		for _, o := range s.relief.over {
			short[r] = short[r] || o.by[r] > 0
		}
	}
	if short == [2]bool{} {
		return [2]bool{true, true}
	}
	return short
}

// entitled is whether the request may take what is scarce from another pool: it stays
// within what is guaranteed of that to its own, or to one that this is a part of and
// the other is not.
func (s *search) entitled(other int32) (some bool) {
	for r, want := range amountsOf(s.r.Workload) {
		if !s.short[r] || want == 0 {
			continue
		}
		if some = s.owed(other, r, want); !some {
			return false
		}
	}
	return some
}

func (s *search) owed(other int32, r int, want int64) bool {
	for _, x := range s.e.t.shares.apart(s.leaf, other) {
		if x.owes(r, want) {
			return true
		}
	}
	return false
}

// owner is the innermost pool with a guarantee by which another's work goes for a
// leaf's.
func (s *shares) owner(leaf, other int32) int32 {
	for id, x := range s.apart(leaf, other) {
		if x.guarantee != (amounts{}) {
			return id
		}
	}
	return leaf
}

// mayLose is whether a victim may go with all of a set, by the guarantee of the
// request's pool: its pools keep what is guaranteed to them of what is scarce, so
// that they could not take it back by that, and of the rest fall below it only where
// they were before.
func (s *search) mayLose(v *candidate, set []*candidate) bool {
	shares := s.e.t.shares
	for id, x := range shares.apart(v.leaf, s.leaf) {
		left := x.use
		for _, c := range set {
			if shares.within(c.leaf, id) {
				left = left.minus(c.amounts)
			}
		}
		for r, g := range x.guarantee {
			if left[r] < g && (s.short[r] || x.use[r] >= g) {
				return false
			}
		}
	}
	return true
}
