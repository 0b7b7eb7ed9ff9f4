package scheduler

import (
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Place gives each request the best node that can take it, and counts what it
// gave away against those that follow. Within a pool requests are served by
// falling priority, then in the order given; of the pools that share nodes the
// one with the least is served first. It changes nothing in pool. Placements and
// Unplaced keep the requests' order.
func Place(pool Pool, requests []Request) (placed []Placement, unplaced []Unplaced) {
	return Open(pool).Place(requests)
}

// Place is as the function of that name, and reserves what it gives in t.
func (t *Table) Place(requests []Request) (placed []Placement, unplaced []Unplaced) {
	t.tell(requests)
	d := deal{t: t, requests: requests, placed: make([]Placement, len(requests))}
	d.group()
	d.serve()
	return d.results()
}

// Take places one request and reserves its place in t. It counts for no pool:
// what asks this way holds its share already.
func (t *Table) Take(r *Request) (Placement, bool) {
	t.tell([]Request{*r})
	g := t.run(r)
	defer t.end(g)
	n := g.next()
	if n < 0 {
		return Placement{}, false
	}
	return g.take(n, r.Slot), true
}

// deal is one call of Place.
type deal struct {
	t        *Table
	requests []Request
	placed   []Placement // by request
	groups   []group
	waits    map[int]string // nodes where room is kept, by request
}

// group is requests that follow each other and ask the same.
type group struct {
	from, to int // of the requests
	done     int // how many have a place: the first ones
	leaf     int32
	// revocable work is served after all other.
	revocable bool
	run       *run
	why       *Why // why the others have none
}

// group cuts the requests into groups and queues them with their pools.
func (d *deal) group() {
	for i := range d.requests {
		r := &d.requests[i]
		if k := len(d.groups); k > 0 && alike(&d.requests[d.groups[k-1].from], r) {
			d.groups[k-1].to++
			continue
		}
		d.groups = append(d.groups, group{from: i, to: i + 1})
	}
	s := d.t.shares
	for i := range d.groups {
		g := &d.groups[i]
		w := d.requests[g.from].Workload
		g.leaf, g.revocable = s.leaf(d.t, w.Pool), w.Revocable
		x := &s.all[g.leaf]
		x.queue = append(x.queue, g)
	}
	for i := range s.all {
		if x := &s.all[i]; len(x.queue) > 0 {
			slices.SortStableFunc(x.queue, d.byPriority)
			s.enqueue(int32(i))
		}
	}
}

func (d *deal) byPriority(a, b *group) int {
	if a.revocable != b.revocable {
		if a.revocable {
			return 1
		}
		return -1
	}
	return d.requests[b.from].Workload.Priority - d.requests[a.from].Workload.Priority
}

// alike is whether two requests ask the same, but for the slot.
func alike(a, b *Request) bool {
	return a.Workload == b.Workload && a.Only == b.Only && a.Stays == b.Stays && a.Leaves == b.Leaves &&
		slices.Equal(a.Avoid, b.Avoid) && slices.Equal(a.Except, b.Except)
}

// serve asks each tree of pools who comes next, until nobody asks any more.
func (d *deal) serve() {
	s := d.t.shares
	for top := range s.all {
		if s.all[top].parent >= 0 {
			continue
		}
		s.sort(int32(top))
		for leaf := s.first(int32(top)); leaf >= 0; leaf = s.first(int32(top)) {
			d.one(leaf)
			s.moved(leaf)
		}
	}
	d.again()
}

// one serves the first request of a leaf's queue, or all of a gang.
func (d *deal) one(leaf int32) {
	x := &d.t.shares.all[leaf]
	g := x.queue[0]
	switch {
	case d.requests[g.from].Workload.Gang:
		d.gang(x)
	case !d.try(g) || g.from+g.done == g.to:
		x.queue = x.queue[1:]
		d.over(g)
	}
}

// over ends the run of a group that asks no more.
func (d *deal) over(g *group) {
	if g.run != nil && !waits(d.requests[g.from].Workload) {
		d.t.end(g.run)
		g.run = nil
	}
}

// try is whether the next request of a group gets a place.
func (d *deal) try(g *group) bool {
	s, i := d.t.shares, g.from+g.done
	r := &d.requests[i]
	if g.why = s.forbid(g.leaf, r.Workload, len(d.t.nodes)); g.why != nil {
		return false
	}
	if g.run == nil {
		g.run = d.t.run(&d.requests[g.from])
	}
	n := g.run.next()
	if n < 0 {
		g.why = g.run.why
		d.wait(g)
		return false
	}
	d.placed[i] = g.run.take(n, r.Slot)
	g.done++
	s.count(g.leaf, amountsOf(r.Workload), 1)
	return true
}

// wait keeps room for those of a group that would fit where orders are ending.
func (d *deal) wait(g *group) {
	for i := g.from + g.done; i < g.to; i++ {
		n := d.t.awaits(&d.requests[i])
		if n < 0 {
			return
		}
		if d.waits == nil {
			d.waits = map[int]string{}
		}
		d.waits[i] = d.t.Name(int(n))
		d.t.shares.count(g.leaf, amountsOf(d.requests[i].Workload), 1)
	}
}

// awaits reserves room for a request on the first node that would take it once
// its Ending orders have gone; −1 if none would.
func (t *Table) awaits(r *Request) int32 {
	for i := range t.nodes {
		n := int32(i)
		ending := t.nodes[i].Ending
		if ending == (nodes.Capacity{}) {
			continue
		}
		t.hold(nil)
		now := t.nodes[i]
		then := now
		then.Reserved = nodes.Capacity{CPU: now.Reserved.CPU - ending.CPU, Memory: now.Reserved.Memory - ending.Memory}
		t.set(n, then, t.ownPorts[i])
		fits := t.Ask(i, r).Fits
		t.hold(nil)
		if fits {
			now.reserve(r.Workload)
		}
		t.set(n, now, t.ownPorts[i])
		if fits {
			return n
		}
	}
	return -1
}

func amountsOf(w *schema.Workload) amounts {
	return amounts{int64(w.Resources.CPU), int64(w.Resources.Memory)}
}

// gang places all that the queue's first workload asks for, or nothing of it.
func (d *deal) gang(x *share) {
	name := d.requests[x.queue[0].from].Workload.Name
	k := 0
	for k < len(x.queue) && d.requests[x.queue[k].from].Workload.Name == name {
		k++
	}
	gang := x.queue[:k]
	x.queue = x.queue[k:]
	for _, g := range gang {
		for g.from+g.done < g.to {
			if !d.try(g) {
				d.disband(gang, g.why)
				return
			}
		}
	}
	for _, g := range gang {
		d.over(g)
	}
}

// disband takes back what a gang got.
func (d *deal) disband(gang []*group, why *Why) {
	d.t.hold(nil)
	got, all := 0, 0
	for _, g := range gang {
		got, all = got+g.done, all+g.to-g.from
		for ; g.done > 0; g.done-- {
			p := &d.placed[g.from+g.done-1]
			w := d.requests[g.from].Workload
			at := d.t.at(p.Node)
			d.t.set(at, d.t.nodes[at].without(w, p.Ports), true)
			d.t.count(at, w, -1)
			d.t.shares.count(g.leaf, amounts{}.minus(amountsOf(w)), -1)
			*p = Placement{}
		}
	}
	told := *why
	told.Gang = fmt.Sprintf("all of its %d slots are placed or none, and %d of them fit", all, got)
	for _, g := range gang {
		g.why = &told
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

// results are in the requests' order.
func (d *deal) results() (placed []Placement, unplaced []Unplaced) {
	placed = d.placed[:0]
	for i := range d.groups {
		g := &d.groups[i]
		placed = append(placed, d.placed[g.from:g.from+g.done]...)
		for k := g.from + g.done; k < g.to; k++ {
			unplaced = append(unplaced, Unplaced{d.requests[k].Slot, *g.why, d.waits[k]})
		}
	}
	return placed, unplaced
}

// forbid is why a pool may not have one more of w: a limit, or what is
// guaranteed to others.
func (s *shares) forbid(leaf int32, w *schema.Workload, nodes int) *Why {
	want := amountsOf(w)
	for at := leaf; at >= 0; at = s.all[at].parent {
		if x := &s.all[at]; x.limit != unbounded && x.use.plus(want).above(x.limit) {
			return poolWhy(nodes, "limit", x, want, x.limit, x.use)
		}
	}
	return s.kept(leaf, w, nodes)
}

// kept is why what is guaranteed to others leaves no room for one more of w.
func (s *shares) kept(leaf int32, w *schema.Workload, nodes int) *Why {
	want, top := amountsOf(w), &s.all[s.top(leaf)]
	if top.idle == (amounts{}) || s.owed(leaf, want) {
		return nil
	}
	if idle := s.idleAfter(leaf, want, w.Revocable); top.use.plus(want).plus(idle).above(top.whole) {
		return poolWhy(nodes, "guarantee", top, want, top.whole.minus(idle), top.use)
	}
	return nil
}

// idleAfter is what would be kept for others once a leaf had one more.
func (s *shares) idleAfter(leaf int32, want amounts, revocable bool) amounts {
	var less amounts
	var out amounts
	for at := leaf; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		below, now := x.below.idle, x.idle
		if revocable {
			below, now = x.below.kept, x.kept
		}
		out = below.minus(less)
		if !revocable || !x.lend {
			out = out.most(x.guarantee.minus(x.use.plus(want)))
		}
		out = out.most(amounts{})
		less = now.minus(out)
	}
	return out
}

// poolWhy tells what of a pool's is short.
func poolWhy(nodes int, filter string, x *share, want, all, use amounts) *Why {
	text := ""
	if use.plus(want)[0] > all[0] {
		text = fmt.Sprintf("needs %s cpu; pool %s has %s of %s", schema.CPU(want[0]), x.name, schema.CPU(use[0]), schema.CPU(max(all[0], 0)))
	} else {
		text = fmt.Sprintf("needs %s memory; pool %s has %s of %s", schema.Bytes(want[1]).Human(), x.name, schema.Bytes(use[1]).Human(), schema.Bytes(max(all[1], 0)).Human())
	}
	if filter == "guarantee" {
		text += " that are not kept for others"
	}
	return &Why{Nodes: nodes, Refusals: []Refusal{{filter, nodes, text}}}
}
