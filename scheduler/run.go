package scheduler

import (
	"math"
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// run places a group of equal requests, one at a time. While it holds the
// Table's index, the nodes that it looks at one by one are out of the index:
// those that hold slots of its workload, and those that the request treats
// unlike others.
type run struct {
	t    *Table
	r    *Request // what they all ask
	work int32    // its workload's spots
	q    query

	rules    []int // the first filter of the rules on attributes that refuses, or −1, by class
	goods    []good
	names    []string // of its ports, sorted
	counters []counter
	// leaves is the node of the field of the request that is served; −1 is none.
	leaves int32

	views []view // of the classes that the rules let in
	// barred are the pools whose nodes are held for others.
	barred []int32
	// bound is whether only nodes that are looked at one by one can take it.
	bound bool
	// late is whether the nodes with slots of the workload are not ranked yet: by
	// how crowded they are, any other with a score of crowdedTop goes before them.
	late bool
	// aside are the nodes to put back into the index when another run takes it.
	aside []int32
	// why is set once nothing fits: nothing will from then on, since placing
	// only takes.
	why *Why
}

// view is one class as a run sees it.
type view struct {
	class int32
	// wishes is what its attributes count.
	wishes int32
	// fresh are the states that suit best, by their first nodes, and score is
	// theirs; sought is whether they were looked for, −1 being that none is left.
	fresh  []uint64
	score  int32
	sought bool
	// near are the nodes that are looked at one by one and fit, by rank. A rank
	// that is no more the node's counts for nothing.
	near []uint64
}

// rank orders candidates: the higher score, then fewer slots of the workload,
// then the name.
func rank(score, slots, node int32) uint64 {
	return uint64(scoreTop-score)<<44 | uint64(min(max(slots, 0), 1<<20-1))<<24 | uint64(node)
}

const (
	// scoreTop is above every score, and above minus every score.
	scoreTop = 1 << 18
	// maxNodes is how many nodes a rank tells apart.
	maxNodes = 1 << 24
	noRank   = math.MaxUint64
)

func (t *Table) run(r *Request) *run {
	w := r.Workload
	g := t.fresh()
	*g = run{t: t, r: r, work: t.spots.of(w.Name), goods: goodsOf(w), counters: countersOf(w), leaves: -1,
		rules: g.rules, views: g.views, aside: g.aside, names: g.names}
	g.q = query{cpu: int64(w.Resources.CPU), mem: int64(w.Resources.Memory)}
	if r.Stays {
		g.counters = nil
	}
	if p := t.tree.Find(w.Pool); p != nil {
		g.q.level = p.Place == "emptiest"
	}
	g.judge()
	for i := range g.counters {
		c := &g.counters[i]
		c.see(g)
		g.bound = g.bound || c.each && c.kind == nears && c.near.Must && !c.near.Apart
	}
	for _, name := range slices.Concat(r.Except, r.Avoid) {
		g.single(t.at(name))
	}
	if counts(w) { // then all of the group take over from the same one
		g.leaves = t.at(r.Leaves)
		g.single(g.leaves)
	}
	if r.Only != "" {
		g.bound = true
		g.single(t.at(r.Only))
	}
	return g
}

// fresh is a run to be made, in the memory of one that is over if there is any.
func (t *Table) fresh() *run {
	k := len(t.over)
	if k == 0 {
		return &run{}
	}
	g := t.over[k-1]
	t.over = t.over[:k-1]
	return g
}

// end gives back a run that nobody asks any more.
func (t *Table) end(g *run) {
	if t.held == g {
		t.hold(nil)
	}
	t.over = append(t.over, g)
}

// judge asks the rules on attributes, once a class.
func (g *run) judge() {
	t, r := g.t, g.r
	g.rules = slices.Grow(g.rules[:0], len(t.classes))[:len(t.classes)]
	g.views = g.views[:0]
	for c := range t.classes {
		head := &t.nodes[t.classes[c].head]
		g.rules[c] = -1
		if oddAmount(r.Workload) {
			g.rules[c] = filterAmount
		} else if !r.Stays {
			g.rules[c] = t.tree.refuse(&t.classes[c].home, head.Node, r.Workload, t.known)
		}
		if g.rules[c] < 0 && (head.Closed == "" || head.Keeps) {
			g.look(int32(c), t.wishes(head, r.Workload))
		}
	}
}

// look adds a view, in the memory of an earlier one if there is any.
func (g *run) look(class, wishes int32) {
	if k := len(g.views); k < cap(g.views) {
		g.views = g.views[:k+1]
	} else {
		g.views = append(g.views, view{})
	}
	v := &g.views[len(g.views)-1]
	*v = view{class: class, wishes: wishes, fresh: v.fresh[:0], near: v.near[:0]}
}

// wishes sums the workload's affinities that a node fulfils.
func (t *Table) wishes(n *Node, w *schema.Workload) int32 {
	sum := 0
	for i := range w.Affinity {
		if a := &w.Affinity[i]; a.Holds(n.Node.Attributes, t.known) {
			sum += 10 * a.Weight
		}
	}
	return int32(max(min(sum, maxPart), -maxPart))
}

// single makes a node one that is looked at by itself.
func (g *run) single(n int32) {
	if n >= 0 {
		g.t.spots.find(g.work, n)
	}
}

// resume looks at what is looked at one by one, as it is now.
func (g *run) resume() {
	t := g.t
	t.turn++
	for i := range g.views {
		v := &g.views[i]
		v.fresh, v.near, v.sought = v.fresh[:0], v.near[:0], false
		t.classes[v.class].view = int32(i)
	}
	g.late = len(g.counters) == 0 && g.leaves < 0
	for id, s := range t.spots.each(g.work) {
		t.marks[s.node] = mark{t.turn, id}
		g.late = g.late && s.slots > 0
	}
	for i := range g.counters {
		c := &g.counters[i]
		c.recount(g)
		for _, n := range sortedKeys32(c.other) {
			if t.marks[n].turn != t.turn {
				g.mark(n)
			}
		}
	}
	if !g.late {
		g.appraiseAll()
	}
}

// appraiseAll ranks what is looked at by itself.
func (g *run) appraiseAll() {
	g.late = false
	for _, s := range g.t.spots.each(g.work) {
		g.appraise(s.node)
	}
}

func sortedKeys32(m map[int32]int32) (keys []int32) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// mark makes a node that holds none of the workload's slots one of its spots.
func (g *run) mark(n int32) {
	g.t.marks[n] = mark{g.t.turn, g.t.spots.add(g.work, n)}
}

// yield puts back what the run had out of the index.
func (g *run) yield() {
	for _, n := range g.aside {
		g.t.enter(n)
	}
	g.aside = g.aside[:0]
}

// bars is whether a node is one of a barred pool.
func (g *run) bars(n int32) bool {
	return len(g.barred) > 0 && slices.Contains(g.barred, g.t.owner[n])
}

// viewOf is the number of the run's view of a node's class; −1 if the rules
// refuse it.
func (g *run) viewOf(n int32) int {
	c := g.t.class[n]
	if i := int(g.t.classes[c].view); i < len(g.views) && g.views[i].class == c {
		return i
	}
	return -1
}

// appraise ranks a node that is looked at by itself, if it can take the request.
func (g *run) appraise(n int32) {
	g.t.rank[n] = noRank
	i := g.viewOf(n)
	if i < 0 {
		return
	}
	if g.refuse(n) >= 0 {
		return
	}
	v := &g.views[i]
	g.t.rank[n] = rank(g.alone(n), g.crowd(n), n)
	v.near = push(v.near, g.t.rank[n])
}

// leave makes n the node of the instance that the next request takes over from.
func (g *run) leave(n int32) {
	was := g.leaves
	if g.leaves = n; was == n {
		return
	}
	if g.late { // one that is left is less crowded
		g.appraiseAll()
	}
	for _, n := range [...]int32{was, n} {
		if n < 0 {
			continue
		}
		if g.t.marks[n].turn != g.t.turn {
			g.mark(n)
			g.setAside(n)
		}
		g.appraise(n)
	}
}
