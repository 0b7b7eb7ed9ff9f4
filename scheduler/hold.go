package scheduler

// What is guaranteed to a pool and not used is idle. It is held free for it on
// nodes that take work and that it may use: on its own first, where nobody else
// comes, and what these have not got on those of the pool that it is a part of, and
// so on up. What no node has free for it is lacking; nobody may make that more.

// Of two kinds of idle amounts one includes what is lent: revocable work may use that.
const (
	idleAll = iota
	idleUnlent
	idleKinds
)

// held is what is idle of a pool and its parts, and what of that is lacking: not free
// on nodes of their own.
type held struct{ idle, lack amounts }

// hold is what is held free for a pool, by kind.
type hold struct {
	// nodes is how many nodes of its own take work, and free what these have free.
	nodes int
	free  amounts
	// here is the pool's, below the sum of its parts'.
	here, below [idleKinds]held
}

// holds tells what is idle and what is lacking of a resource.
func (x *share) holds(kind int, guarantee, use, free, belowIdle, belowLack int64) (idle, lack int64) {
	idle = belowIdle
	if kind == idleAll || !x.lend {
		idle = max(idle, sub(guarantee, use))
	}
	return idle, max(sub(sub(idle, sub(belowIdle, belowLack)), max(free, 0)), 0)
}

// settle brings up to date what is held from a pool on upwards, after it uses or has
// free what it did not.
func (s *shares) settle(id int32) {
	for at := id; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		h := &x.hold
		for kind := range idleKinds {
			was, now, below := h.here[kind], &h.here[kind], &h.below[kind]
			for r := range x.use {
				now.idle[r], now.lack[r] = x.holds(kind, x.guarantee[r], x.use[r], h.free[r], below.idle[r], below.lack[r])
			}
			if x.parent >= 0 {
				up := &s.all[x.parent].hold.below[kind]
				up.idle, up.lack = up.idle.plus(now.idle.minus(was.idle)), up.lack.plus(now.lack.minus(was.lack))
			}
		}
	}
}

// free tells that a node of a pool has so much free that had as much before.
func (s *shares) free(id int32, was, now amounts) {
	h := &s.all[id].hold
	h.free = h.free.plus(now.minus(was))
	s.settle(id)
}

// freeOf is what a node has free for who comes.
func (t *Table) freeOf(i int32) amounts { return amounts{t.cpu[i], t.mem[i]}.most(amounts{}) }

// lackAfter is what a tree would lack of a resource once a leaf has so much more of
// it on nodes of the pool home, which it may use.
func (s *shares) lackAfter(leaf, home int32, kind, r int, want int64) (lack int64) {
	var moreIdle, moreLack int64 // of its part
	for at := leaf; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		free, here, below := x.hold.free[r], &x.hold.here[kind], &x.hold.below[kind]
		if at == home {
			free = sub(free, want)
		}
		var idle int64
		idle, lack = x.holds(kind, x.guarantee[r], sub(x.use[r], -want), free, sub(below.idle[r], -moreIdle), sub(below.lack[r], -moreLack))
		moreIdle, moreLack = sub(idle, here.idle[r]), sub(lack, here.lack[r])
	}
	return lack
}

// lacking is what a tree lacks, by kind.
type lacking [idleKinds]amounts

func (s *shares) lacking(leaf int32) (l lacking) {
	for kind := range l {
		l[kind] = s.all[s.top(leaf)].hold.here[kind].lack
	}
	return l
}

// takes is whether a leaf would, with so much more of a resource on nodes of the
// pool home, take what is held for others.
func (s *shares) takes(leaf, home int32, r int, want int64, revocable bool) bool {
	return s.takesOf(leaf, home, r, want, revocable, s.lacking(leaf))
}

// takesOf is whether more of it would then lack than before.
func (s *shares) takesOf(leaf, home int32, r int, want int64, revocable bool, before lacking) bool {
	for kind := range before {
		if want <= 0 || kind == idleAll && revocable || kind == idleUnlent && !revocable && !s.lends {
			continue
		}
		if s.lackAfter(leaf, home, kind, r, want) > before[kind][r] {
			return true
		}
	}
	return false
}
