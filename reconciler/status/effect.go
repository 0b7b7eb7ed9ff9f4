package status

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// place is one slot's node and ports.
type place struct {
	node   string
	ports  map[string]int
	digest schema.Digest
	id     string
}

// placesOf are the wanted instances by workload and slot.
func placesOf(f *reconciler.Facts) map[string]map[schema.Slot]place {
	all := map[string]map[schema.Slot]place{}
	for i := range f.Nodes {
		for j := range f.Nodes[i].Assignment.Orders {
			o := &f.Nodes[i].Assignment.Orders[j]
			if o.Stop || o.Step != nil {
				continue
			}
			if all[o.Slot.Workload] == nil {
				all[o.Slot.Workload] = map[schema.Slot]place{}
			}
			all[o.Slot.Workload][o.Slot] = place{f.Nodes[i].Name, o.Ports, o.Digest, o.ID}
		}
	}
	return all
}

func names(a, b *reconciler.Facts) []string {
	set := map[string]bool{}
	for _, f := range []*reconciler.Facts{a, b} {
		for i := range f.Spec.Workloads {
			set[f.Spec.Workloads[i].Name] = true
		}
		for i := range f.Rollouts {
			set[f.Rollouts[i].Workload] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// slotChanges are the slots that are, were or will be, sorted.
func slotChanges(was, is map[schema.Slot]place, f *reconciler.Forecast) (all []PreviewSlot) {
	set := map[schema.Slot]bool{}
	for s := range was {
		set[s] = true
	}
	for s := range is {
		set[s] = true
	}
	for _, s := range slices.SortedFunc(maps.Keys(set), schema.Slot.Compare) {
		c := PreviewSlot{Slot: s.String(), From: was[s].node, To: is[s].node, Effect: effect(was[s], is[s]), Ports: is[s].ports}
		if score, ok := f.Scores[s]; ok && is[s].digest != was[s].digest || is[s].node != was[s].node {
			c.Score = score.Total()
		}
		all = append(all, c)
	}
	return all
}

// effect is what becomes of a slot's container.
func effect(was, is place) string {
	switch {
	case was.node == "":
		return "new"
	case is.node == "":
		return "stop"
	case was.node != is.node:
		return "move"
	case was.id != is.id || !maps.Equal(was.ports, is.ports):
		return "restart"
	}
	return ""
}

// moved is whether a slot is on another node, or on none.
func moved(was, is map[schema.Slot]place) bool {
	for s, p := range is {
		if was[s].node != p.node {
			return true
		}
	}
	return len(was) != len(is)
}

func unplacedOf(b *reconciler.Blocked) PreviewUnplaced {
	u := PreviewUnplaced{Slot: b.Slot.String(), Text: b.Text, Why: []string{}}
	for _, r := range b.Why.Refusals {
		u.Why = append(u.Why, fmt.Sprintf("%d refused by %s: %s", r.Nodes, r.Filter, r.Nearest))
	}
	return u
}
