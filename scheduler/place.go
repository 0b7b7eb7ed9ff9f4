package scheduler

import (
	"slices"
)

// Place gives each request, in the order given, the best node that can take
// it, and counts what it gave away against those that follow. It changes
// nothing in pool. Placements and Unplaced keep the requests' order.
func Place(pool Pool, requests []Request) (placed []Placement, unplaced []Unplaced) {
	return Open(pool).Place(requests)
}

// Place is as the function of that name, and reserves what it gives in t.
func (t *Table) Place(requests []Request) (placed []Placement, unplaced []Unplaced) {
	t.tell(requests)
	placed = make([]Placement, 0, len(requests))
	var g *run
	for i := range requests {
		r := &requests[i]
		if g == nil || !alike(g.r, r) {
			g = t.run(r)
		}
		if p, ok := g.place(r); ok {
			placed = append(placed, p)
		} else {
			unplaced = append(unplaced, Unplaced{r.Slot, *g.why})
		}
	}
	return placed, unplaced
}

// Take places one request and reserves its place in t.
func (t *Table) Take(r *Request) (Placement, bool) {
	t.tell([]Request{*r})
	return t.run(r).place(r)
}

func (g *run) place(r *Request) (Placement, bool) {
	n := g.next()
	if n < 0 {
		return Placement{}, false
	}
	return g.take(n, r.Slot), true
}

// alike is whether two requests ask the same, but for the slot.
func alike(a, b *Request) bool {
	return a.Workload == b.Workload && a.Only == b.Only && a.Stays == b.Stays && a.Leaves == b.Leaves &&
		a.Avoid == b.Avoid && slices.Equal(a.Except, b.Except)
}
