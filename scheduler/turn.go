package scheduler

import "cmp"

// turn is what the request that a pool is served with next counts for when it is
// served.
type turn struct {
	want      amounts
	revocable bool
	// stage is 0 where the request stays within what is guaranteed to the pool, or to
	// the part of it that asks, 2 where it is revocable, else 1.
	stage int8
	size  float64 // the largest share of the tree that it takes
}

// before is whether a is served before b: first who stays within its guarantee,
// revocable work last; then the lower dominant share, the fewer slots, the larger
// request, the order listed.
func (s *shares) before(a, b int32) bool {
	x, y := &s.all[a], &s.all[b]
	switch {
	case x.turn.stage != y.turn.stage:
		return x.turn.stage < y.turn.stage
	case x.dominant != y.dominant:
		return x.dominant < y.dominant
	}
	return cmp.Or(cmp.Compare(x.slots, y.slots), cmp.Compare(y.turn.size, x.turn.size), cmp.Compare(x.place, y.place)) < 0
}

// owes is whether a pool stays within what is guaranteed to it of a resource, with so
// much more of it.
func (x *share) owes(r int, want int64) bool { return sub(x.use[r], -want) <= x.guarantee[r] }

// owesAll is whether that is so of all that is wanted.
func (x *share) owesAll(want amounts) bool {
	for r := range want {
		if want[r] > 0 && !x.owes(r, want[r]) {
			return false
		}
	}
	return x.guarantee != amounts{}
}

// rank brings up to date what a pool is ranked by, from what its parts are.
func (s *shares) rank(id int32) {
	x := &s.all[id]
	s.weigh(id)
	if len(x.line) > 0 {
		x.turn = s.all[x.line[0]].turn
	} else if len(x.queue) > 0 {
		x.turn.stage = 1
	}
	switch {
	case x.turn.revocable:
		x.turn.stage = 2
	case x.owesAll(x.turn.want):
		x.turn.stage = 0
	}
}

// enqueue puts a pool in its parent's line, and so on up.
func (s *shares) enqueue(id int32) {
	for p := s.all[id].parent; p >= 0; id, p = p, s.all[p].parent {
		x := &s.all[p]
		for _, c := range x.line {
			if c == id {
				return
			}
		}
		x.line = append(x.line, id)
	}
}

// sort makes heaps of all lines.
func (s *shares) sort(id int32) {
	x := &s.all[id]
	for _, c := range x.children {
		s.sort(c)
	}
	for i := len(x.line)/2 - 1; i >= 0; i-- {
		s.down(x.line, i)
	}
	s.rank(id)
}

func (s *shares) down(line []int32, i int) {
	for {
		k := 2*i + 1
		if k >= len(line) {
			return
		}
		if k+1 < len(line) && s.before(line[k+1], line[k]) {
			k++
		}
		if !s.before(line[k], line[i]) {
			return
		}
		line[i], line[k] = line[k], line[i]
		i = k
	}
}

// first is the leaf of a tree that is served next; −1 if nothing is asked.
func (s *shares) first(id int32) int32 {
	for {
		x := &s.all[id]
		switch {
		case len(x.line) > 0:
			id = x.line[0]
		case len(x.queue) > 0:
			return id
		default:
			return -1
		}
	}
}

// moved puts the lines above a leaf, which was first in all of them, in order
// after it was served or has done.
func (s *shares) moved(id int32) {
	s.rank(id)
	for p := s.all[id].parent; p >= 0; id, p = p, s.all[p].parent {
		x := &s.all[p]
		if !s.all[id].asks() {
			last := len(x.line) - 1
			x.line[0] = x.line[last]
			x.line = x.line[:last]
		}
		s.down(x.line, 0)
		if x.parent >= 0 {
			s.rank(p)
		}
	}
}
