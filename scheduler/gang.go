package scheduler

import (
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// ganged is whether the request is placed with others or not at all.
func ganged(r *Request) bool { return r.Together || r.Workload.Gang }

// gang places all that the queue's first workload asks for, or nothing of it. Of
// those that are together, what the workload asks for beside is no part.
func (d *deal) gang(x *share) {
	first := d.first(x.queue[0])
	k := 0
	for k < len(x.queue) {
		if r := d.first(x.queue[k]); r.Workload.Name != first.Workload.Name || r.Together != first.Together {
			break
		}
		k++
	}
	gang := x.queue[:k]
	d.advance(x, k)
	fits := true
	for _, a := range gang {
		for g := &d.groups[a.group()]; fits && g.from+g.done < g.to; {
			fits = d.try(g)
		}
	}
	if fits {
		for _, a := range gang {
			d.over(&d.groups[a.group()])
		}
		return
	}
	d.tellGang(gang)
	if d.gather(gang) {
		return
	}
	for _, a := range gang {
		d.disband(&d.groups[a.group()])
	}
}

// tellGang tells all of a gang why some of it has no place.
func (d *deal) tellGang(gang []asked) {
	got, all := int32(0), int32(0)
	var why *Why
	for _, a := range gang {
		g := &d.groups[a.group()]
		got, all = got+g.done, all+g.to-g.from
		if why == nil {
			why = d.whys[g.from]
		}
	}
	told := *why
	told.Gang = fmt.Sprintf("all of its %d slots are placed or none, and %d of them fit", all, got)
	for _, a := range gang {
		d.refused(&d.groups[a.group()], &told)
	}
}

// gather is whether the rest of a gang fits where orders are ending. Then the room
// is kept for all of it, what was given to it so far being no place yet.
func (d *deal) gather(gang []asked) bool {
	var undo []func()
	for _, a := range gang {
		g := &d.groups[a.group()]
		for i := g.from + g.done; i < g.to; i++ {
			back, ok := d.await(g, i)
			if !ok {
				for _, back := range slices.Backward(undo) {
					back()
				}
				return false
			}
			undo = append(undo, back)
		}
	}
	for _, a := range gang {
		for g := &d.groups[a.group()]; g.done > 0; g.done-- {
			p := &d.placed[g.from+g.done-1]
			d.waits[g.from+g.done-1] = p.Node
			*p = Placement{}
		}
	}
	return true
}

// await reserves room for a request where orders are ending, and tells how to give
// it back.
func (d *deal) await(g *group, i int32) (back func(), ok bool) {
	t, w := d.t, d.requests[i].Workload
	n := t.awaits(g.leaf, &d.requests[i])
	if n < 0 {
		return nil, false
	}
	if d.waits == nil {
		d.waits = map[int32]string{}
	}
	d.waits[i] = t.Name(int(n))
	t.shares.count(g.leaf, amountsOf(w), 1)
	t.goods(n, w, -1)
	return func() {
		delete(d.waits, i)
		t.goods(n, w, 1)
		t.set(n, t.nodes[n].lighter(w), t.ownPorts[n])
		t.shares.count(g.leaf, amounts{}.minus(amountsOf(w)), -1)
	}, true
}

// disband takes back what a group of a gang got.
func (d *deal) disband(g *group) {
	d.t.hold(nil)
	for ; g.done > 0; g.done-- {
		p := &d.placed[g.from+g.done-1]
		w := d.requests[g.from].Workload
		at := d.t.at(p.Node)
		d.t.set(at, d.t.nodes[at].without(w, p.ByName(w)), true)
		d.t.count(at, w, -1)
		d.t.shares.count(g.leaf, amounts{}.minus(amountsOf(w)), -1)
		*p = Placement{}
	}
}

// again asks once more for what waited for the slots of another workload, as
// long as that helps.
func (d *deal) again() {
	for more := true; more; {
		more = false
		for i := range d.groups {
			g := &d.groups[i]
			if g.run == nil || g.run.why == nil || !waits(d.requests[g.from].Workload) {
				continue
			}
			g.run.why = nil
			for g.from+g.done < g.to && d.try(g) {
				more = true
			}
		}
	}
}

// waits is whether the workload must be near another, which may come later.
func waits(w *schema.Workload) bool {
	return !w.Gang && slices.ContainsFunc(w.Near, func(n schema.Near) bool { return n.Must && !n.Apart })
}

// wait keeps room for those of a group that would fit where orders are ending.
func (d *deal) wait(g *group) {
	for i := g.from + g.done; i < g.to; i++ {
		if _, ok := d.await(g, i); !ok {
			return
		}
	}
}

// awaits reserves room for a request on the first node that would take it once
// its Ending orders have gone; where its pool may have it only once those of other
// nodes have gone too, on the best that there is then. −1 if none would.
func (t *Table) awaits(leaf int32, r *Request) int32 {
	for _, n := range t.ending() {
		back := t.clear(n)
		fits := t.mayHave(leaf, n, r)
		back()
		if fits {
			t.keep(n, r.Workload)
			return n
		}
	}
	if len(t.ending()) == 0 || t.denies(leaf, r).filter == "" && len(t.bars(leaf, r)) == 0 {
		return -1
	}
	n := t.onceAllEnded(leaf, r)
	if n >= 0 {
		t.keep(n, r.Workload)
	}
	return n
}

// keep reserves cpu and memory on a node for a slot of w.
func (t *Table) keep(n int32, w *schema.Workload) {
	now := t.nodes[n]
	now.reserve(w)
	t.set(n, now, t.ownPorts[n])
}

// clear has a node's Ending orders gone, and tells how to put them back.
func (t *Table) clear(n int32) (back func()) {
	t.hold(nil)
	now, own := t.nodes[n], t.ownPorts[n]
	t.set(n, now.afterwards(), own)
	t.vacate(n, 1)
	return func() {
		t.hold(nil)
		t.vacate(n, -1)
		t.set(n, now, own)
	}
}

// onceAllEnded is the best node for a request once all Ending orders have gone: of a
// pool's limit they leave room for who would be on another node.
func (t *Table) onceAllEnded(leaf int32, r *Request) int32 {
	for _, n := range t.ending() {
		back := t.clear(n)
		defer back()
	}
	if t.denies(leaf, r).filter != "" {
		return -1
	}
	t.tell([]Request{*r})
	g := t.run(r)
	defer t.end(g)
	g.barred = t.bars(leaf, r)
	return g.next(t.at(r.Leaves))
}

// ending are the nodes with Ending orders.
func (t *Table) ending() []int32 {
	if t.ends == nil {
		t.ends = []int32{}
		for i := range t.nodes {
			if t.nodes[i].Ending != (nodes.Capacity{}) {
				t.ends = append(t.ends, int32(i))
			}
		}
	}
	return t.ends
}

// afterwards is n once its Ending orders have gone.
func (n Node) afterwards() Node {
	n.Reserved = n.Reserved.Minus(n.Ending)
	for i := range n.Ends {
		n = n.without(nil, n.Ends[i].Ports)
	}
	return n
}

// vacate takes what a node's Ending orders hold off their pools and off its goods, or
// puts it back where sign is −1.
func (t *Table) vacate(n int32, sign int64) {
	for _, x := range t.nodes[n].Ends {
		a := amountsOf(x.Workload)
		if sign > 0 {
			a = amounts{}.minus(a)
		}
		t.shares.count(t.shares.leaf(t, x.Workload.Pool), a, -sign)
		t.goods(n, x.Workload, sign)
	}
}

// goods adds what a slot of w holds beside cpu, memory and ports to what is free, so
// many times.
func (t *Table) goods(n int32, w *schema.Workload, times int64) {
	eachGood(w, func(name string, amount int64) { t.stockOf(name).free[n] += times * amount })
}
