package scheduler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// search looks for the cheapest set of victims for one node. Sets are gone through
// by depth; what costs at least what is known already is not gone into, and that
// is most. It is exact up to setSteps sets, which ten orders of any kind never
// take; from there on what the greedy way found stands, or what is better so far.
type search struct {
	e      *evictor
	node   int32
	r      *Request
	leaf   int32
	relief *relief
	short  [2]bool // what is scarce
	all    []candidate
	least  cost // no set of them costs less

	// need is what is lacking with the set off the node, rest what the candidates
	// from each on give of that: of the node's room, then of each limit in the way.
	need, rest []amounts
	few        [2]amounts // need, mostly
	set        []*candidate
	taken      map[string]int
	best       *plan
	steps      int
}

const (
	// setSteps bounds the sets of one node, mostSteps those of one call: some
	// microseconds each.
	setSteps  = 1 << 12
	mostSteps = 1 << 16
)

// search begins one; nil where nothing that may go would leave enough cpu and
// memory.
func (e *evictor) search(n int32, r *Request, leaf int32, relief *relief) *search {
	if !e.enough(n, r) {
		return nil
	}
	s := &search{e: e, node: n, r: r, leaf: leaf, relief: relief, least: relief.least}
	s.need = append(s.few[:0], amountsOf(r.Workload).minus(amounts{e.t.cpu[n], e.t.mem[n]}))
	if e.t.shares.promised {
		s.short = s.scarce()
	}
	s.all = s.candidates()
	if s.add(); s.misses(0) || len(s.all)+len(relief.over) == 0 {
		return nil
	}
	if len(relief.over) == 0 || s.misses(len(s.all)) {
		if c := floor(s.all, s.need[0]); c.compare(s.least) > 0 {
			s.least = c
		}
	}
	for _, o := range relief.over {
		s.need = append(s.need, o.by)
	}
	return s
}

// add sums up what the candidates from each on give.
func (s *search) add() {
	m := len(s.need)
	s.rest = make([]amounts, (len(s.all)+1)*m)
	for i := len(s.all) - 1; i >= 0; i-- {
		for k := range m {
			s.rest[i*m+k] = s.rest[(i+1)*m+k].plus(s.gives(&s.all[i], k))
		}
	}
}

// misses is whether something is still lacking with all candidates from i on off
// too.
func (s *search) misses(i int) bool {
	for k, m := 0, len(s.need); k < m; k++ {
		if s.need[k].above(s.rest[i*m+k]) {
			return true
		}
	}
	return false
}

// plan is the cheapest; nil if none does.
func (s *search) plan() *plan {
	if s.taken = map[string]int{}; !s.hopeful() {
		return nil
	}
	s.widen()
	s.greedy()
	s.steps = min(setSteps, s.e.steps)
	given := s.steps
	s.from(0)
	s.e.steps -= given - s.steps
	return s.best
}

// hopeful is whether it would have room with all gone there that may go. Of what
// must be near others it says nothing, since these may be among them, nor where
// they may be elsewhere of what counts others' slots or is held for others.
func (s *search) hopeful() (may bool) {
	w, wide := s.r.Workload, len(s.relief.over) > 0
	near := slices.ContainsFunc(w.Near, func(n schema.Near) bool { return n.Must && (wide || !n.Apart) })
	if near || wide && len(w.MaxPer) > 0 {
		return true
	}
	for i := range s.all {
		back := s.lift(&s.all[i])
		defer back()
	}
	if wide {
		s.e.t.asking(s.r, nil, func(g *run) { may = g.refuse(s.node) < 0 })
		return may
	}
	return s.e.t.mayHave(s.leaf, s.node, s.r)
}

// lift takes a candidate off for a question. Its slots count where the request asks
// how many of them there are.
func (s *search) lift(c *candidate) (back func()) {
	w, name := s.r.Workload, c.work.Name
	if name == w.Name || slices.ContainsFunc(w.Near, func(n schema.Near) bool { return n.Workload == name }) {
		return s.e.lift(c.node, c.order)
	}
	return s.e.liftBy(c.node, c.order, s.e.t.countUnseen)
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
		if fewer := slices.Delete(slices.Clone(some), i, i+1); len(fewer) > 0 && s.does(fewer) {
			some = fewer
		}
	}
	s.best = s.planOf(some)
}

// from goes through the sets that add to this one only candidates from i on.
func (s *search) from(i int) {
	for ; i < len(s.all) && !s.misses(i); i++ {
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
			s.best = s.planOf(s.set)
		default:
			s.from(i + 1)
		}
		s.pop(1)
	}
}

// twins is whether sets with the second in place of the first, which is not in
// this one, are no others.
func (s *search) twins(first, second *candidate) bool {
	return first.work == second.work && (first.node == s.node) == (second.node == s.node) && !first.ports && !second.ports && !slices.Contains(s.set, first)
}

// push adds a candidate, if its workload can spare it and no pool loses what it has
// to keep.
func (s *search) push(c *candidate) bool {
	name := c.work.Name
	if s.taken[name] >= s.e.spare[name] {
		return false
	}
	s.taken[name]++
	s.set = append(s.set, c)
	for k := range s.need {
		s.need[k] = s.need[k].minus(s.gives(c, k))
	}
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
		s.set = s.set[:len(s.set)-1]
		for k := range s.need {
			s.need[k] = s.need[k].plus(s.gives(c, k))
		}
		s.taken[c.work.Name]--
	}
}

// fits is whether the node takes the request with the set off it.
func (s *search) fits() bool {
	return len(s.set) > 0 && !s.misses(len(s.all)) && s.fitsWithout(s.set)
}

// does is whether it fits with a set off, while none is.
func (s *search) does(set []*candidate) bool {
	for k, need := range s.need {
		for _, c := range set {
			need = need.minus(s.gives(c, k))
		}
		if need.above(amounts{}) {
			return false
		}
	}
	return s.fitsWithout(set)
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
