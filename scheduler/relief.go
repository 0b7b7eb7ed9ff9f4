package scheduler

import (
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// Where the limit of a pool stands in the way of a request, who goes for it may be
// on any node: what a pool holds is a sum. So each set of victims on the node where
// the request would be is looked at together with those of the pool elsewhere.

// over is a limit that a leaf would go past with one more, and by how much.
type over struct {
	pool int32
	by   amounts
}

// over are the limits that a leaf would go past with so much more, the innermost
// first.
func (s *shares) over(leaf int32, want amounts) (all []over) {
	for at := leaf; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		if x.limit == unbounded {
			continue
		}
		if by := x.use.plus(want).minus(x.limit).most(amounts{}); by != (amounts{}) {
			all = append(all, over{at, by})
		}
	}
	return all
}

// relief is who could go, on any node, for the limits that stand in the way of a
// request.
type relief struct {
	over  []over
	all   []holding
	least cost // no set that is enough for each limit costs less
}

// holding is an order of a node.
type holding struct {
	node  int32
	order int
}

// relief is empty where no limit stands in the way, and not possible where all that
// may go is too little for one.
func (e *evictor) relief(r *Request, leaf int32) (f *relief, possible bool) {
	f = &relief{over: e.t.shares.over(leaf, amountsOf(r.Workload)), least: leastCost}
	if len(f.over) == 0 {
		return f, true
	}
	s := &search{e: e, node: -1, r: r, leaf: leaf}
	all := s.within(f)
	slices.SortFunc(all, sooner)
	for i := range f.over {
		some := e.of(f.over[i].pool, all)
		if f.over[i].by.above(sumOf(some)) {
			return nil, false
		}
		if c := floor(some, f.over[i].by); c.compare(f.least) > 0 {
			f.least = c
		}
	}
	return f, true
}

// within are those of the pools above their limits that may go, those alone that
// could be of use.
func (s *search) within(f *relief) (all []candidate) {
	outer, useful := f.over[len(f.over)-1].pool, s.useful(f)
	for n := range s.e.held {
		for k := range s.e.held[n] {
			c, may := s.candidate(int32(n), k)
			if may && s.e.t.shares.within(c.leaf, outer) && useful(&c) {
				all, f.all = append(all, c), append(f.all, holding{int32(n), k})
			}
		}
	}
	return all
}

// useful tells of one after the other whether it adds to those before it: of equal
// slots of a workload no more than it can spare go, nor, where all that counts is
// how much they hold, more than are enough.
func (s *search) useful(f *relief) func(*candidate) bool {
	type kind struct {
		name    string
		leaf    int32
		amounts amounts
		rank    [2]int
		waits   bool
	}
	seen := map[kind]int{}
	return func(c *candidate) bool {
		most := s.e.spare[c.work.Name]
		if !s.e.t.shares.promised {
			most = min(most, f.enough(c.amounts))
		}
		k := kind{c.work.Name, c.leaf, c.amounts, c.rank(), c.waits}
		seen[k]++
		return seen[k] <= most
	}
}

// enough is how many that hold so much are no fewer than any limit needs.
func (f *relief) enough(each amounts) (most int) {
	for i := range f.over {
		for r, by := range f.over[i].by {
			if by > 0 && each[r] > 0 {
				most = max(most, int((by-1)/each[r])+1)
			}
		}
	}
	return most
}

// of are those of a pool and its parts.
func (e *evictor) of(pool int32, all []candidate) (some []candidate) {
	for i := range all {
		if e.t.shares.within(all[i].leaf, pool) {
			some = append(some, all[i])
		}
	}
	return some
}

func sumOf(all []candidate) (sum amounts) {
	for i := range all {
		sum = sum.plus(all[i].amounts)
	}
	return sum
}

// farSteps is how many orders elsewhere are looked through for what looking at one
// set costs.
const farSteps = 8

// widen adds those that may go elsewhere.
func (s *search) widen() {
	if len(s.relief.over) == 0 {
		return
	}
	for _, h := range s.relief.all {
		if h.node == s.node {
			continue
		}
		if c, may := s.candidate(h.node, h.order); may {
			s.all = append(s.all, c)
		}
	}
	s.e.steps -= len(s.relief.all) / farSteps
	slices.SortFunc(s.all, sooner)
	s.add()
}

// gives is what a candidate gives of the k-th need: of the room on the node, or of
// a limit.
func (s *search) gives(c *candidate, k int) amounts {
	switch {
	case k == 0 && c.node == s.node, k > 0 && s.e.t.shares.within(c.leaf, s.relief.over[k-1].pool):
		return c.amounts
	}
	return amounts{}
}

// why tells of one who goes for a limit which that is.
func (f *relief) why(s *shares, c *candidate) string {
	for _, o := range f.over {
		if !s.within(c.leaf, o.pool) {
			continue
		}
		x := &s.all[o.pool]
		if o.by[0] > 0 {
			return fmt.Sprintf("; pool %s is limited to %s cpu", x.name, schema.CPU(x.limit[0]))
		}
		return fmt.Sprintf("; pool %s is limited to %s memory", x.name, schema.Bytes(x.limit[1]).Human())
	}
	return ""
}
