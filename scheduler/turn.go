package scheduler

import "cmp"

// before is whether a is served before b: first who is below its guarantee,
// revocable work last; then the lower dominant share, the fewer slots, the larger
// request, the order listed.
func (s *shares) before(a, b int32) bool {
	x, y := &s.all[a], &s.all[b]
	if c := cmp.Or(cmp.Compare(s.stage(a), s.stage(b)), cmp.Compare(x.dominant, y.dominant), cmp.Compare(x.slots, y.slots)); c != 0 {
		return c < 0
	}
	return cmp.Or(cmp.Compare(s.next(b), s.next(a)), cmp.Compare(x.place, y.place)) < 0
}

// next is the largest share of the tree that the request takes which is served
// next of a pool.
func (s *shares) next(id int32) float64 {
	if leaf := s.first(id); leaf >= 0 {
		return s.all[leaf].next
	}
	return 0
}

// stage is 0 of who is below its guarantee, 2 where revocable work is next.
func (s *shares) stage(id int32) int {
	below := false
	for {
		x := &s.all[id]
		below = below || x.guarantee.above(x.use)
		switch {
		case len(x.line) > 0:
			id = x.line[0]
		case len(x.queue) > 0 && x.queue[0].revocable():
			return 2
		case below:
			return 0
		default:
			return 1
		}
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
	for _, c := range x.line {
		s.sort(c)
	}
	if len(x.children) > 0 || len(x.queue) > 0 {
		s.weigh(id)
	}
	for i := len(x.line)/2 - 1; i >= 0; i-- {
		s.down(x.line, i)
	}
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
	for p := s.all[id].parent; p >= 0; id, p = p, s.all[p].parent {
		x := &s.all[p]
		if !s.all[id].asks() {
			last := len(x.line) - 1
			x.line[0] = x.line[last]
			x.line = x.line[:last]
		}
		s.down(x.line, 0)
		if x.parent >= 0 {
			s.weigh(p)
		}
	}
}
