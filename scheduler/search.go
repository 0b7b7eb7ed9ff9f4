package scheduler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// cost is what a set of victims costs, what counts most first: the worst rank
// among them (whether it is not revocable, and its priority), how many are not
// revocable, how many there are, and how many have their data there.
type cost [5]int

func (c cost) compare(d cost) int { return slices.Compare(c[:], d[:]) }

// plan is a way to make room on one node.
type plan struct {
	node    int32
	victims []*candidate // by what goes first
	cost    cost
	size    int // of all victims, which settles what costs the same on one node
}

func planOf(node int32, victims []*candidate) *plan {
	p := &plan{node: node, victims: slices.Clone(victims)}
	p.cost, p.size = price(victims)
	return p
}

// price is what victims, which are ordered by rank, cost and how large they are.
func price(victims []*candidate) (c cost, size int) {
	for _, v := range victims {
		rank := v.rank()
		c[0], c[1] = rank[0], rank[1]
		c[2] += rank[0]
		if v.waits {
			c[4]++
		}
		size += v.size
	}
	c[3] = len(victims)
	return c, size
}

// search looks for the cheapest set of victims on one node. Sets are gone through
// by depth; what costs at least what is known already is not gone into, and that
// is most. It is exact up to setSteps sets, which ten orders of any kind never
// take; from there on what the greedy way found stands, or what is better so far.
type search struct {
	e     *evictor
	node  int32
	r     *Request
	leaf  int32
	short [2]bool // what is scarce
	all   []candidate
	rest  []amounts // what the candidates from each on hold
	least cost      // no set of them costs less

	set   []*candidate
	taken map[string]int
	free  amounts
	best  *plan
	steps int
}

const (
	// setSteps bounds the sets of one node, mostSteps those of one call: some
	// microseconds each.
	setSteps  = 1 << 12
	mostSteps = 1 << 16
)

// search begins one; nil where nothing that may go would leave enough cpu and
// memory.
func (e *evictor) search(n int32, r *Request, leaf int32) *search {
	if !e.enough(n, r) {
		return nil
	}
	s := &search{e: e, node: n, r: r, leaf: leaf, free: amounts{e.t.cpu[n], e.t.mem[n]}}
	if e.t.shares.promised {
		s.short = s.scarce()
	}
	s.all = s.candidates()
	s.rest = make([]amounts, len(s.all)+1)
	for i := len(s.all) - 1; i >= 0; i-- {
		s.rest[i] = s.rest[i+1].plus(s.all[i].amounts)
	}
	if len(s.all) == 0 || s.lacks(s.free.plus(s.rest[0])) || !s.relieves() {
		return nil
	}
	s.least = s.floor()
	return s
}

// relieves is whether all that may go leave enough of every limit.
func (s *search) relieves() bool {
	shares, want := s.e.t.shares, amountsOf(s.r.Workload)
	for at := s.leaf; at >= 0; at = shares.all[at].parent {
		x := &shares.all[at]
		if left := x.use.plus(want); x.limit != unbounded && left.above(x.limit) {
			for i := range s.all {
				if shares.within(s.all[i].leaf, at) {
					left = left.minus(s.all[i].amounts)
				}
			}
			if left.above(x.limit) {
				return false
			}
		}
	}
	return true
}

// lacks is whether so much free is less than what is asked for.
func (s *search) lacks(free amounts) bool { return amountsOf(s.r.Workload).above(free) }

// floor is what no set costs less than, were cpu and memory all that counts: the
// rank up to which all that may go leave enough, and of these the largest.
func (s *search) floor() (c cost) {
	upTo, free := 0, s.free
	for ; s.lacks(free) || upTo == 0; upTo++ {
		free = free.plus(s.all[upTo].amounts)
	}
	rank := s.all[upTo-1].rank()
	for upTo < len(s.all) && s.all[upTo].rank() == rank {
		upTo++
	}
	c[0], c[1] = rank[0], rank[1]
	c[3] = s.fewest(s.free, s.all[:upTo])
	if first := slices.IndexFunc(s.all[:upTo], func(v candidate) bool { return !v.work.Revocable }); first >= 0 {
		c[2] = s.fewest(s.free.plus(s.rest[0]).minus(s.rest[first]), s.all[first:upTo])
	}
	return c
}

// fewest is how many of some it takes at least, of the largest of each resource.
func (s *search) fewest(free amounts, some []candidate) (most int) {
	want := amountsOf(s.r.Workload)
	var room [16]int64
	for r := range want {
		sizes := room[:0]
		for i := range some {
			sizes = append(sizes, some[i].amounts[r])
		}
		slices.Sort(sizes)
		count, have := 0, free[r]
		for ; have < want[r] && count < len(sizes); count++ {
			have = sub(have, -sizes[len(sizes)-1-count])
		}
		most = max(most, count)
	}
	return max(most, 1)
}

// plan is the cheapest; nil if none does.
func (s *search) plan() *plan {
	if s.taken = map[string]int{}; !s.hopeful() {
		return nil
	}
	s.greedy()
	s.steps = min(setSteps, s.e.steps)
	given := s.steps
	s.from(0)
	s.e.steps -= given - s.steps
	return s.best
}

// hopeful is whether it would have room with all gone that may go. Of what must
// be near others it says nothing, since these may be among them.
func (s *search) hopeful() bool {
	near := slices.ContainsFunc(s.r.Workload.Near, func(n schema.Near) bool { return n.Must && !n.Apart })
	if near {
		return true
	}
	for i := range s.all {
		back := s.lift(&s.all[i])
		defer back()
	}
	return s.e.t.mayHave(s.leaf, s.node, s.r)
}

// lift takes a candidate off for a question. Its slots count where the request asks
// how many of them there are.
func (s *search) lift(c *candidate) (back func()) {
	w, name := s.r.Workload, c.work.Name
	if name == w.Name || slices.ContainsFunc(w.Near, func(n schema.Near) bool { return n.Workload == name }) {
		return s.e.lift(s.node, c.order)
	}
	return s.e.liftBy(s.node, c.order, s.e.t.countUnseen)
}

// greedy takes one after the other until it fits, and leaves out what need not go.
func (s *search) greedy() {
	var some []*candidate
	for i := range s.all {
		if !s.push(&s.all[i]) {
			continue
		}
		some = slices.Clone(s.set)
		if s.fits() {
			break
		}
	}
	fits := s.fits()
	s.pop(len(s.set))
	if !fits {
		return
	}
	for i := len(some) - 1; i >= 0; i-- {
		if fewer := slices.Delete(slices.Clone(some), i, i+1); len(fewer) > 0 && s.fitsWithout(fewer) {
			some = fewer
		}
	}
	s.best = planOf(s.node, some)
}

// from goes through the sets that add to this one only candidates from i on.
func (s *search) from(i int) {
	for ; i < len(s.all) && !s.lacks(s.free.plus(s.rest[i])); i++ {
		c := &s.all[i]
		if s.steps <= 0 {
			return
		}
		if i > 0 && s.twins(&s.all[i-1], c) || !s.push(c) {
			continue
		}
		s.steps--
		switch c, size := price(s.set); {
		case s.best != nil && (c.compare(s.best.cost) > 0 || c == s.best.cost && size >= s.best.size):
		case s.fits():
			s.best = planOf(s.node, s.set)
		default:
			s.from(i + 1)
		}
		s.pop(1)
	}
}

// twins is whether sets with the second in place of the first, which is not in
// this one, are no others.
func (s *search) twins(first, second *candidate) bool {
	return first.work == second.work && !first.ports && !second.ports && !slices.Contains(s.set, first)
}

// push adds a candidate, if its workload can spare it and no pool loses what it has
// to keep.
func (s *search) push(c *candidate) bool {
	name := c.work.Name
	if s.taken[name] >= s.e.spare[name] {
		return false
	}
	s.taken[name]++
	s.set, s.free = append(s.set, c), s.free.plus(c.amounts)
	for _, v := range s.set {
		if v.right == byGuarantee && !s.mayLose(v, s.set) {
			s.pop(1)
			return false
		}
	}
	return true
}

// pop takes the last so many out again.
func (s *search) pop(count int) {
	for ; count > 0; count-- {
		c := s.set[len(s.set)-1]
		s.set, s.free = s.set[:len(s.set)-1], s.free.minus(c.amounts)
		s.taken[c.work.Name]--
	}
}

// fits is whether the node takes the request with the set off it.
func (s *search) fits() bool {
	return len(s.set) > 0 && !s.lacks(s.free) && s.fitsWithout(s.set)
}

// fitsWithout asks the one rule, and whether the request's pool may have it: what is
// guaranteed to the pools of those that go is idle then, and held for who comes
// back. Where it may not, they would go for nothing, again and again.
func (s *search) fitsWithout(set []*candidate) bool {
	for _, c := range set {
		back := s.lift(c)
		defer back()
	}
	return s.e.t.mayHave(s.leaf, s.node, s.r)
}
