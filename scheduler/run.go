package scheduler

import (
	"math"

	"github.com/bayplan/bayplan/schema"
)

// run places a group of equal requests, one at a time. While it holds the
// Table's index, the nodes that it looks at one by one are out of the index:
// those that hold slots of its workload, and those that the request treats
// unlike others.
type run struct {
	t    *Table
	r    *Request // what they all ask
	work *work
	q    query

	views []view // of the classes that its rules let in
	bound bool   // to the one node that its request names
	// aside are the nodes to put back into the index when another run takes it.
	aside []int32
	// why is set once nothing fits: nothing will from then on, since placing
	// only takes.
	why *Why
}

// view is one class as a run sees it.
type view struct {
	class int32
	// fresh are the states that suit best, by their first nodes, and score is
	// theirs; sought is whether they were looked for, −1 being that none is left.
	fresh  []uint64
	score  int32
	sought bool
	// near are the nodes that are looked at one by one and fit, by rank.
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
	g := &run{t: t, r: r, work: t.work(r.Workload.Name)}
	g.q.cpu, g.q.mem = int64(r.Workload.Resources.CPU), int64(r.Workload.Resources.Memory)
	if r.Only != "" {
		g.only()
		return g
	}
	for c := range t.classes {
		if n := &t.nodes[t.classes[c].head]; n.Closed == "" {
			if f, _ := refuseRules(n, r); f < 0 {
				g.views = append(g.views, view{class: int32(c)})
			}
		}
	}
	for _, name := range [...]string{r.Leaves, r.Avoid} {
		g.single(name)
	}
	for _, name := range r.Except {
		g.single(name)
	}
	return g
}

// only looks at the one node that the request is bound to.
func (g *run) only() {
	n := g.t.at(g.r.Only)
	if n < 0 {
		return
	}
	g.work.spotOf(n)
	if f, _ := refuseRules(&g.t.nodes[n], g.r); f < 0 && g.t.nodes[n].Closed == "" {
		g.views, g.bound = append(g.views, view{class: g.t.class[n]}), true
	}
}

// single makes a node one that is looked at by itself.
func (g *run) single(name string) {
	if name == "" {
		return
	}
	if n := g.t.at(name); n >= 0 {
		g.work.spotOf(n)
	}
}

func (w *work) spotOf(node int32) *spot {
	for i := range w.spots {
		if w.spots[i].node == node {
			return &w.spots[i]
		}
	}
	w.spots = append(w.spots, spot{node: node})
	return &w.spots[len(w.spots)-1]
}

// resume looks at what is looked at one by one, as it is now.
func (g *run) resume() {
	t := g.t
	t.turn++
	for i := range g.views {
		v := &g.views[i]
		v.fresh, v.near, v.sought = v.fresh[:0], v.near[:0], false
	}
	for i, s := range g.work.spots {
		t.mark[s.node], t.spot[s.node] = t.turn, int32(i)
	}
	for i := range g.views {
		t.classes[g.views[i].class].view = int32(i)
	}
	for _, s := range g.work.spots {
		g.appraise(s.node)
	}
}

// yield puts back what the run had out of the index.
func (g *run) yield() {
	for _, n := range g.aside {
		g.t.enter(n)
	}
	g.aside = g.aside[:0]
}

// viewOf is the run's view of a node's class; nil if its rules refuse it.
func (g *run) viewOf(n int32) *view {
	c := g.t.class[n]
	if i := int(g.t.classes[c].view); i < len(g.views) && g.views[i].class == c {
		return &g.views[i]
	}
	return nil
}

// appraise ranks a node that is looked at by itself, if it can take the request.
func (g *run) appraise(n int32) {
	v := g.viewOf(n)
	if v == nil || !g.takes(n) {
		return
	}
	s := g.scoreOf(n)
	v.near = push(v.near, rank(int32(s.Total()), g.crowd(n), n))
}

// takes is whether a node that the rules let in has room for the request.
func (g *run) takes(n int32) bool {
	t := g.t
	if t.cpu[n] < g.q.cpu || t.mem[n] < g.q.mem {
		return false
	}
	if !g.plain() {
		f, _ := refuse(&t.nodes[n], g.r)
		return f < 0
	}
	return true
}

// plain is whether rules on attributes and room in cpu and memory are all that
// the request asks.
func (g *run) plain() bool { return len(g.r.Workload.Ports) == 0 && len(g.r.Except) == 0 && !g.bound }

// crowd is how many slots of the workload are on a node that is looked at by
// itself, beside the one that is placed.
func (g *run) crowd(n int32) int32 {
	k := g.work.spots[g.t.spot[n]].slots
	if g.r.Leaves != "" && g.r.Leaves == g.t.nodes[n].Node.Name {
		k--
	}
	return k
}

func (g *run) scoreOf(n int32) Score {
	t := g.t
	s := Score{Fit: int(g.q.score(t.cpu[n], t.mem[n], t.capCPU[n], t.capMem[n]))}
	if t.mark[n] == t.turn {
		s.Spread = crowding(int(g.crowd(n)))
		if g.r.Avoid != "" && g.r.Avoid == t.nodes[n].Node.Name {
			s.Avoid = avoided
		}
	}
	return s
}

// next is the best node for one more; −1 if there is none.
func (g *run) next() (node int32) {
	if g.why != nil {
		return -1
	}
	g.t.hold(g)
	best := uint64(noRank)
	for i := range g.views {
		v := &g.views[i]
		if k := g.freshest(v); k < best {
			best, node = k, int32(k%maxNodes)
		}
		if len(v.near) > 0 && v.near[0] < best {
			best, node = v.near[0], int32(v.near[0]%maxNodes)
		}
	}
	if best == noRank {
		why := g.t.Explain(g.r)
		g.why = &why
		return -1
	}
	return node
}

// freshest is the rank of the best node of the class that is not looked at by
// itself.
func (g *run) freshest(v *view) uint64 {
	x := &g.t.index
	for !g.bound {
		if !v.sought {
			v.score, v.fresh = x.best(v.class, &g.q, v.fresh[:0])
			v.sought = true
		}
		if v.score < 0 {
			return noRank
		}
		for len(v.fresh) > 0 {
			n, id := unpair(v.fresh[0])
			now := x.first(id)
			switch {
			case x.states[id].live == 0 || now < 0:
				v.fresh = pop(v.fresh)
			case now != n:
				v.fresh = push(pop(v.fresh), pair(now, id))
			case g.t.mark[n] == g.t.turn || !g.takes(n):
				g.setAside(n)
			default:
				return rank(v.score, 0, n)
			}
		}
		v.sought = false
	}
	return noRank
}

func (g *run) setAside(n int32) {
	if g.t.index.of[n] >= 0 {
		g.t.index.leave(n)
		g.aside = append(g.aside, n)
	}
}

// take gives the node to a slot.
func (g *run) take(n int32, slot schema.Slot) Placement {
	t, v := g.t, g.viewOf(n)
	score := g.scoreOf(n)
	if len(v.near) > 0 && int32(v.near[0]%maxNodes) == n {
		v.near = pop(v.near)
	}
	g.setAside(n)
	if t.mark[n] != t.turn {
		t.mark[n], t.spot[n] = t.turn, int32(len(g.work.spots))
		g.work.spots = append(g.work.spots, spot{node: n})
	}
	g.work.spots[t.spot[n]].slots++
	ports := t.give(n, g.r, slot)
	g.appraise(n)
	return Placement{Slot: slot, Node: t.nodes[n].Node.Name, Ports: ports, Score: score}
}

// give takes the request's share off the node.
func (t *Table) give(n int32, r *Request, slot schema.Slot) map[string]int {
	node := &t.nodes[n]
	node.Reserved.CPU = schema.CPU(add(int64(node.Reserved.CPU), int64(r.Workload.Resources.CPU)))
	node.Reserved.Memory = schema.Bytes(add(int64(node.Reserved.Memory), int64(r.Workload.Resources.Memory)))
	t.reckon(n)
	ports := choosePorts(node, r, slot)
	if len(ports) > 0 {
		node.Ports = withPorts(node.Ports, ports, t.ownPorts[n])
		t.ownPorts[n] = true
	}
	return ports
}
