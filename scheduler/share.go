package scheduler

import "math"

// amounts are what pools divide: cpu in millicores and memory in bytes.
type amounts [2]int64

func (a amounts) plus(b amounts) amounts  { return amounts{sub(a[0], -b[0]), sub(a[1], -b[1])} }
func (a amounts) minus(b amounts) amounts { return amounts{sub(a[0], b[0]), sub(a[1], b[1])} }

// above is whether any of a is more than that of b.
func (a amounts) above(b amounts) bool { return a[0] > b[0] || a[1] > b[1] }

// most is the larger of each.
func (a amounts) most(b amounts) amounts { return amounts{max(a[0], b[0]), max(a[1], b[1])} }

var unbounded = amounts{math.MaxInt64, math.MaxInt64}

// share is one pool, or the work that an inner pool has itself.
type share struct {
	name     string
	parent   int32 // −1 at the top
	children []int32
	weight   int64
	place    int32 // among its siblings: the order listed

	// whole is what the nodes of the tree have in all, of which shares are told.
	whole amounts
	use   amounts
	slots int64

	guarantee, limit amounts
	lend             bool
	hold             hold

	// dominant is the share that is compared with its siblings', vector what is
	// counted of it further up.
	dominant float64
	vector   [2]float64

	queue []asked // of a leaf: what it asks for, in order
	line  []int32 // the children that ask for something, a heap
	turn  turn
}

// shares is the forest of pools.
type shares struct {
	all    []share
	byName map[string]int32
	own    map[string]int32 // the leaf for the work that an inner pool has itself
	// promised is whether anything is guaranteed, lends whether any of it may be
	// lent, and split whether a part of a tree has nodes of its own.
	promised, lends, split bool
}

// sharesOf builds the forest from the table's tree and use.
func (t *Table) sharesOf(use map[string]Use) *shares {
	s := &shares{byName: map[string]int32{}, own: map[string]int32{}}
	for i := range t.tree {
		p := &t.tree[i]
		id := s.add(p.Name, -1, int64(max(p.Weight, 1)))
		x := &s.all[id]
		x.lend = p.Lend
		if q := p.Guarantee; q != nil {
			x.guarantee = amounts{int64(q.CPU), int64(q.Memory)}
			s.promised, s.lends = true, s.lends || p.Lend
		}
		if q := p.Limit; q != nil {
			x.limit = limitOf(int64(q.CPU), int64(q.Memory))
		}
	}
	for i := range t.tree {
		p := &t.tree[i]
		if parent, known := s.byName[p.Parent]; known && !t.tree.Within(p.Parent, p.Name) {
			s.adopt(s.byName[p.Name], parent)
		}
	}
	s.measure(t)
	for _, name := range sortedKeys(use) {
		u := use[name]
		s.count(s.leaf(t, name), amounts{int64(u.CPU), int64(u.Memory)}, int64(u.Slots))
	}
	return s
}

// limitOf takes an amount that is not stated as no bound.
func limitOf(cpu, mem int64) amounts {
	l := amounts{cpu, mem}
	for i := range l {
		if l[i] == 0 {
			l[i] = math.MaxInt64
		}
	}
	return l
}

func (s *shares) add(name string, parent int32, weight int64) int32 {
	id := int32(len(s.all))
	s.all = append(s.all, share{name: name, parent: -1, weight: weight, limit: unbounded})
	s.byName[name] = id
	if parent >= 0 {
		s.adopt(id, parent)
	}
	return id
}

func (s *shares) adopt(id, parent int32) {
	s.all[id].parent = parent
	s.all[id].place = int32(len(s.all[parent].children))
	s.all[parent].children = append(s.all[parent].children, id)
}

// measure sums what the nodes of each tree have, and what of it is free.
func (s *shares) measure(t *Table) {
	t.owner = make([]int32, len(t.nodes))
	for i := range t.nodes {
		owner := t.classes[t.class[i]].home.Pool
		id, known := s.byName[owner]
		if !known {
			id = s.add(owner, -1, 1)
		}
		t.owner[i] = id
		top := &s.all[s.top(id)]
		top.whole = top.whole.plus(amounts{t.capCPU[i], t.capMem[i]})
		s.split = s.split || s.all[id].parent >= 0
		if t.nodes[i].Closed == "" {
			s.all[id].hold.nodes++
			s.free(id, amounts{}, t.freeOf(int32(i)))
		}
	}
	for i := range s.all {
		if s.all[i].parent < 0 {
			s.hand(int32(i), s.all[i].whole)
		}
	}
}

// hand tells all parts of a pool what the whole is, and what is guaranteed first.
func (s *shares) hand(id int32, whole amounts) {
	s.all[id].whole = whole
	for _, c := range s.all[id].children {
		s.hand(c, whole)
	}
	if len(s.all[id].children) == 0 && s.promised {
		s.settle(id)
	}
}

func (s *shares) top(id int32) int32 {
	for s.all[id].parent >= 0 {
		id = s.all[id].parent
	}
	return id
}

// leaf is where the work of a pool is counted.
func (s *shares) leaf(t *Table, name string) int32 {
	id, known := s.byName[name]
	if !known {
		id = s.add(name, -1, 1)
		s.all[id].whole = amounts{}
	}
	if len(s.all[id].children) == 0 {
		return id
	}
	own, known := s.own[name]
	if !known {
		own = s.add(name+"/", id, 1)
		s.all[own].whole = s.all[id].whole
		s.own[name] = own
	}
	return own
}

// count adds to what a leaf holds, and so all above it.
func (s *shares) count(id int32, a amounts, slots int64) {
	for at := id; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		x.use, x.slots = x.use.plus(a), x.slots+slots
	}
	if s.promised {
		s.settle(id)
	}
}

// weigh brings a pool's dominant share up to date: H-DRF (Bhattacharya et al.,
// SoCC 2013). A leaf's is the largest of its shares of a resource. For an inner
// pool its children count as if all that ask for more had as little as the
// least of them.
func (s *shares) weigh(id int32) {
	x := &s.all[id]
	if len(x.children) == 0 {
		for r := range x.use {
			x.vector[r] = part64(x.use[r], x.whole[r])
		}
	} else {
		x.vector = s.levelled(x)
	}
	x.dominant = max(x.vector[0], x.vector[1]) / float64(x.weight)
}

func part64(a, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(a) / float64(whole)
}

func (s *shares) levelled(x *share) (sum [2]float64) {
	least := math.Inf(1)
	for _, c := range x.children {
		if k := &s.all[c]; k.asks() {
			least = min(least, k.dominant)
		}
	}
	for _, c := range x.children {
		k := &s.all[c]
		scale := 1.0
		if k.dominant > least {
			scale = least / k.dominant
		}
		for r := range sum {
			sum[r] += float64(k.vector[r] * scale)
		}
	}
	return sum
}

// asks is whether anything here or below is still asked for.
func (x *share) asks() bool { return len(x.queue) > 0 || len(x.line) > 0 }
