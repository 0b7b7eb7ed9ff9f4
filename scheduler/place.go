package scheduler

import (
	"slices"

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
	n := g.next(t.at(r.Leaves))
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

// alike is whether two requests ask the same, but for the slot and, where no rule
// counts the workload's slots, for the instance that it takes over from.
func alike(a, b *Request) bool {
	return a.Workload == b.Workload && a.Only == b.Only && a.Stays == b.Stays && (a.Leaves == b.Leaves || !counts(a.Workload)) &&
		slices.Equal(a.Avoid, b.Avoid) && slices.Equal(a.Except, b.Except)
}

func counts(w *schema.Workload) bool { return len(w.Spread)+len(w.MaxPer)+len(w.Near) > 0 }

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
	n := g.run.next(d.t.at(r.Leaves))
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

func amountsOf(w *schema.Workload) amounts {
	return amounts{int64(w.Resources.CPU), int64(w.Resources.Memory)}
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
