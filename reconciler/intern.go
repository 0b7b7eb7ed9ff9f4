package reconciler

import "github.com/bayplan/bayplan/schema"

// Intern makes the orders' workloads the very values that the rollouts hold,
// where they say the same. Facts read from the ledger are interned once; from
// then on "nothing changed" is a comparison of pointers.
func (f *Facts) Intern() {
	known := map[string][]*schema.Workload{}
	for i := range f.Rollouts {
		r := &f.Rollouts[i]
		if r.Want != nil && r.Good != nil && r.Want != r.Good && sameText(r.Want, r.Good) {
			r.Good = r.Want
		}
		known[r.Workload] = []*schema.Workload{r.Want, r.Good}
	}
	for i := range f.Nodes {
		orders := f.Nodes[i].Assignment.Orders
		for j := range orders {
			for _, w := range known[orders[j].Slot.Workload] {
				if w != nil && orders[j].Workload != w && orders[j].Workload != nil && sameText(orders[j].Workload, w) {
					orders[j].Workload = w
				}
			}
		}
	}
}
