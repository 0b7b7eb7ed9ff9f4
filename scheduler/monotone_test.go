package scheduler_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestPlace_ANodeMoreKeepsWhatRuns: a node that joins takes no place from what runs,
// since that holds its own, at any size and far beyond where the search for other
// places is exact; and who found no place before finds one there or nowhere, since
// nobody was left out who would have fitted beside the others.
func TestPlace_ANodeMoreKeepsWhatRuns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, requests := mixedNodes(rt, 12), mixedRequests(rt, 60)
		slices.SortFunc(pool.Nodes, func(a, b scheduler.Node) int { return strings.Compare(a.Node.Name, b.Node.Name) })
		placed, unplaced := scheduler.Place(pool, requests)
		more := running(pool, requests, placed)
		more.Nodes = append(more.Nodes, mixedNode(rt, "z"))
		var left []scheduler.Request
		for _, r := range requests {
			if slices.ContainsFunc(unplaced, func(u scheduler.Unplaced) bool { return u.Slot == r.Slot }) {
				left = append(left, r)
			}
		}
		after, _ := scheduler.Place(more, left)
		for _, p := range after {
			if p.Node != "z" {
				rt.Fatalf("%s has a place on %s, where it found none before", p.Slot, p.Node)
			}
		}
	})
}

// running is the pool with the requests where they have a place.
func running(pool scheduler.Pool, requests []scheduler.Request, placed []scheduler.Placement) scheduler.Pool {
	work := map[schema.Slot]*schema.Workload{}
	for _, r := range requests {
		work[r.Slot] = r.Workload
	}
	pool.Nodes = slices.Clone(pool.Nodes)
	for i := range pool.Nodes {
		n := &pool.Nodes[i]
		n.Slots, n.Ports = mapsClone(n.Slots), slices.Clone(n.Ports)
		for _, p := range placed {
			if p.Node == n.Node.Name {
				n.Hold(work[p.Slot])
				n.Slots[p.Slot.Workload]++
				n.Ports = append(n.Ports, p.Ports...)
			}
		}
		slices.Sort(n.Ports)
	}
	return pool
}
