package scheduler

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// candidate is an order that may have to go for a request.
type candidate struct {
	order   int // its place among those that the node holds
	work    *schema.Workload
	leaf    int32
	amounts amounts
	// size is the largest share of the node that it has, in thousandths.
	size  int
	right right
	waits bool // it has its data here
	ports bool
}

// right is by what a request goes before what is there.
type right uint8

const (
	noRight right = iota
	byKind        // it is not revocable, what is there is
	byPriority
	// byGuarantee holds as long as the pool of what goes, and those above that,
	// keep what is guaranteed to them.
	byGuarantee
)

// rank is what goes first: revocable work, then by priority.
func (c *candidate) rank() [2]int {
	if c.work.Revocable {
		return [2]int{0, c.work.Priority}
	}
	return [2]int{1, c.work.Priority}
}

// candidates are the orders of a node that may go for the request, in the order in
// which they do: of equal rank the largest first, of these the last.
func (e *evictor) candidates(n int32, r *Request, leaf int32) []candidate {
	all := make([]candidate, 0, len(e.held[n]))
	for k := range e.held[n] {
		h := &e.held[n][k]
		if h.Ending || h.Fixed && !h.Waits || h.Workload == nil || h.Slot == r.Slot || e.spare[h.Workload.Name] <= 0 {
			continue
		}
		c := candidate{order: k, work: h.Workload, amounts: amountsOf(h.Workload), waits: h.Waits, ports: len(h.Ports) > 0}
		c.leaf = e.t.shares.leaf(e.t, h.Workload.Pool)
		if c.right = e.right(r, leaf, &c); c.right != noRight {
			c.size = int(1000 * max(part64(c.amounts[0], e.t.capCPU[n]), part64(c.amounts[1], e.t.capMem[n])))
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		x, y := a.rank(), b.rank()
		return cmp.Or(slices.Compare(x[:], y[:]), cmp.Compare(b.size, a.size), cmp.Compare(b.order, a.order))
	})
	return all
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

// right is by what the request goes before what is there, if it does. It would be served first too, so that nobody is evicted in turn for what it
// made end.
func (e *evictor) right(r *Request, leaf int32, c *candidate) right {
	s, w, there := e.t.shares, r.Workload, c.work
	switch {
	case s.top(leaf) != s.top(c.leaf):
	case there.Revocable && !w.Revocable:
		return byKind
	case leaf == c.leaf && there.Revocable == w.Revocable && there.Priority < w.Priority:
		return byPriority
	case leaf != c.leaf && !w.Revocable && s.owed(leaf, amountsOf(w)) && s.keeps(c.leaf, c.amounts):
		return byGuarantee
	}
	return noRight
}

// why tells it.
func (c *candidate) why(r *Request) string {
	switch c.right {
	case byKind:
		return "revocable"
	case byPriority:
		return fmt.Sprintf("priority %d is below %d", c.work.Priority, r.Workload.Priority)
	}
	return fmt.Sprintf("pool %s is above its guarantee, pool %s below its own", c.work.Pool, r.Workload.Pool)
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

// keeps is whether a pool has its guarantee, and those above it theirs, with so
// much less.
func (s *shares) keeps(leaf int32, less amounts) bool {
	for at := leaf; at >= 0; at = s.all[at].parent {
		if x := &s.all[at]; x.parent >= 0 && x.guarantee.above(x.use.minus(less)) {
			return false
		}
	}
	return true
}

// lower takes so much off what a pool and those above it hold, as long as a set of
// victims is looked at.
func (s *shares) lower(leaf int32, by amounts) {
	for at := leaf; at >= 0; at = s.all[at].parent {
		s.all[at].use = s.all[at].use.minus(by)
	}
}
