package reconciler

import (
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// Usage is what instances hold of a pool and of its parts, those that are told
// to stop counted until they are gone; with an empty Pool it is the whole
// cluster's.
type Usage struct {
	Pool  string
	Slots int
	Use   schema.Quantity
}

// Used is what the orders hold of the cluster and of each pool that the text in
// force names, sorted by pool: the cluster comes first.
func Used(f *Facts) []Usage {
	all := []Usage{{}}
	for i := range f.Spec.Pools {
		all = append(all, Usage{Pool: f.Spec.Pools[i].Name})
	}
	slices.SortFunc(all, compareUsage)
	for i := range f.Nodes {
		for j := range f.Nodes[i].Assignment.Orders {
			o := &f.Nodes[i].Assignment.Orders[j]
			if o.Workload == nil || f.Ended(f.Nodes[i].Name, o) {
				continue
			}
			all[0].add(o.Workload)
			schema.Outward(f.Spec.Pools, o.Workload.Pool, func(p *schema.Pool) {
				at, _ := slices.BinarySearchFunc(all, Usage{Pool: p.Name}, compareUsage)
				all[at].add(o.Workload)
			})
		}
	}
	return all
}

func compareUsage(a, b Usage) int { return strings.Compare(a.Pool, b.Pool) }

func (u *Usage) add(w *schema.Workload) {
	u.Slots++
	u.Use = u.Use.Plus(schema.Quantity{CPU: w.Resources.CPU, Memory: w.Resources.Memory})
}

// highest is the larger of each amount of two lists, which need not name the
// same pools.
func highest(a, b []Usage) []Usage {
	all := slices.Clone(a)
	for _, u := range b {
		at, known := slices.BinarySearchFunc(all, u, compareUsage)
		if !known {
			all = slices.Insert(all, at, u)
			continue
		}
		x := &all[at]
		x.Slots, x.Use = max(x.Slots, u.Slots), schema.Quantity{CPU: max(x.Use.CPU, u.Use.CPU), Memory: max(x.Use.Memory, u.Use.Memory)}
	}
	return all
}
