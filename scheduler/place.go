package scheduler

import (
	"maps"
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
	t.dealt = &d
	d.group()
	d.serve()
	t.dealt = nil
	return d.results()
}

// Take places one request and reserves its place in t. It counts for no pool:
// what asks this way holds its share already.
func (t *Table) Take(r *Request) (Placement, bool) {
	return t.takeBut(r, nil)
}

// takeBut is Take on no node of the barred pools.
func (t *Table) takeBut(r *Request, barred []int32) (Placement, bool) {
	t.tell([]Request{*r})
	g := t.run(r)
	defer t.end(g)
	g.barred = barred
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
	placed   []Placement      // by request
	groups   []group          // as many as there are, from the start
	waits    map[int32]string // nodes where room is kept, by request
	whys     map[int32]*Why   // why the rest of a group has no place, by its first
}

// group is requests that follow each other and ask the same. There may be one for
// each request: what it holds counts.
type group struct {
	from, to int32 // of the requests
	done     int32 // how many have a place: the first ones
	leaf     int32
	run      *run
}

// asked is a group in a pool's queue: twice its number, and one more where it is
// revocable, which is served after all other.
type asked int32

func ask(group int, revocable bool) asked {
	if revocable {
		return asked(2*group + 1)
	}
	return asked(2 * group)
}

func (a asked) group() int32    { return int32(a / 2) }
func (a asked) revocable() bool { return a%2 == 1 }

// group cuts the requests into groups and queues them with their pools.
func (d *deal) group() {
	count := 0
	for i := range d.requests {
		if i == 0 || !alike(&d.requests[i-1], &d.requests[i]) {
			count++
		}
	}
	d.t.spots.expect(count)
	d.groups = make([]group, 0, count)
	for i := range d.requests {
		if i == 0 || !alike(&d.requests[i-1], &d.requests[i]) {
			d.groups = append(d.groups, group{from: int32(i), leaf: d.t.shares.leaf(d.t, d.requests[i].Workload.Pool)})
		}
		d.groups[len(d.groups)-1].to = int32(i + 1)
	}
	d.queue()
}

// queue puts each group in its pool's queue.
func (d *deal) queue() {
	s := d.t.shares
	lengths := make([]int, len(s.all))
	for i := range d.groups {
		lengths[d.groups[i].leaf]++
	}
	all := make([]asked, len(d.groups))
	for i, n := range lengths {
		s.all[i].queue, all = all[:0:n], all[n:]
	}
	for i := range d.groups {
		x := &s.all[d.groups[i].leaf]
		x.queue = append(x.queue, ask(i, d.requests[d.groups[i].from].Workload.Revocable))
	}
	for i := range s.all {
		if x := &s.all[i]; len(x.queue) > 0 {
			slices.SortStableFunc(x.queue, d.byPriority)
			d.advance(x, 0)
			s.enqueue(int32(i))
		}
	}
}

// wanted is the workload that a group asks for.
func (d *deal) wanted(a asked) *schema.Workload { return d.first(a).Workload }

// wantedBy is the workload that a group asks for.
func (d *deal) wantedBy(g *group) *schema.Workload { return d.requests[g.from].Workload }

// first is the first request of a group.
func (d *deal) first(a asked) *Request { return &d.requests[d.groups[a.group()].from] }

func (d *deal) byPriority(a, b asked) int {
	if a.revocable() != b.revocable() {
		if a.revocable() {
			return 1
		}
		return -1
	}
	return d.wanted(b).Priority - d.wanted(a).Priority
}

// alike is whether two requests ask the same, but for the slot and, where no rule
// counts the workload's slots, for the instance that it takes over from. Which
// values say it is no matter: one plan's texts are one value or several (I14).
func alike(a, b *Request) bool {
	return oneText(a.Workload, b.Workload) && a.Only == b.Only && a.Stays == b.Stays && a.Home == b.Home &&
		(a.Leaves == b.Leaves || !counts(a.Workload)) && a.Together == b.Together && maps.Equal(a.Ports, b.Ports) &&
		slices.Equal(a.Avoid, b.Avoid) && slices.Equal(a.Except, b.Except)
}

// oneText is cheap where both are one value, or of two workloads.
func oneText(a, b *schema.Workload) bool {
	return a == b || a.Name == b.Name && schema.SameText(a, b)
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
	d.refit()
}

// one serves the first request of a leaf's queue, or all of a gang.
func (d *deal) one(leaf int32) {
	x := &d.t.shares.all[leaf]
	g := &d.groups[x.queue[0].group()]
	switch {
	case ganged(d.first(x.queue[0])):
		d.gang(x)
	case !d.try(g) || g.from+g.done == g.to:
		d.advance(x, 1)
		d.over(g)
	}
}

// advance goes on by so many in a leaf's queue.
func (d *deal) advance(x *share, by int) {
	x.turn = turn{}
	if x.queue = x.queue[by:]; len(x.queue) > 0 {
		want := amountsOf(d.wanted(x.queue[0]))
		x.turn = turn{want: want, revocable: x.queue[0].revocable(), size: max(part64(want[0], x.whole[0]), part64(want[1], x.whole[1]))}
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
	if no := d.t.denies(g.leaf, r); no.filter != "" {
		d.refused(g, s.why(no, len(d.t.nodes)))
		if !ganged(r) {
			d.wait(g)
		}
		return false
	}
	if g.run == nil {
		g.run = d.t.run(&d.requests[g.from])
	}
	g.run.barred = d.t.bars(g.leaf, r)
	n := g.run.next(d.t.at(r.Leaves))
	if n < 0 {
		d.refused(g, g.run.why)
		if !ganged(r) {
			d.wait(g)
		}
		return false
	}
	d.placed[i] = g.run.take(n, r.Slot)
	g.done++
	s.count(g.leaf, amountsOf(r.Workload), 1)
	return true
}

// refused tells why the rest of a group has no place.
func (d *deal) refused(g *group, why *Why) {
	if d.whys == nil {
		d.whys = map[int32]*Why{}
	}
	d.whys[g.from] = why
}

func amountsOf(w *schema.Workload) amounts {
	return amounts{int64(w.Resources.CPU), int64(w.Resources.Memory)}
}

// results are in the requests' order.
func (d *deal) results() (placed []Placement, unplaced []Unplaced) {
	done := 0
	for i := range d.groups {
		done += int(d.groups[i].done)
	}
	placed = d.placed[:0]
	if done < len(d.requests) {
		unplaced = make([]Unplaced, 0, len(d.requests)-done)
	}
	for i := range d.groups {
		g := &d.groups[i]
		placed = append(placed, d.placed[g.from:g.from+g.done]...)
		for k := g.from + g.done; k < g.to; k++ {
			unplaced = append(unplaced, Unplaced{d.requests[k].Slot, d.whys[g.from], d.waits[k]})
		}
	}
	return placed, unplaced
}
