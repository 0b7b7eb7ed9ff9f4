package invariants

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// View is one order with what its node says of it.
type View struct {
	// Node is the one that it is on.
	Node  *reconciler.NodeFact
	order *nodes.Order
	// Serves is whether it is available by a fresh report.
	Serves bool
	// may is whether it may be up: nothing that the server was told says that
	// it is not.
	may bool
}

// Silence is for how long a node was not heard by this leader.
func Silence(in *reconciler.Input, node string) time.Duration {
	heard := in.Started
	if s := in.Observed.Node(node); s != nil && s.At.After(heard) {
		heard = s.At
	}
	return in.Now.Sub(heard)
}

// Live are the orders of facts that are not to stop, by slot.
func Live(in *reconciler.Input, facts *reconciler.Facts) map[schema.Slot][]View {
	all := map[schema.Slot][]View{}
	for i := range facts.Nodes {
		n := &facts.Nodes[i]
		seen := in.Observed.Node(n.Name)
		for j := range n.Assignment.Orders {
			o := &n.Assignment.Orders[j]
			if o.Stop || o.Step != nil {
				continue
			}
			v := View{Node: n, order: o, may: true}
			if seen != nil && Silence(in, n.Name) < reconciler.UnreachableAfter && seen.Report.Inventory {
				x := seen.Report.Instance(o.ID)
				v.Serves = x != nil && x.Available()
				v.may = v.Serves || x != nil && x.Phase == nodes.Running && x.Health == nodes.HealthUnknown &&
					in.Now.Sub(x.Since) < o.Workload.Update.HealthyDeadline.D()
			}
			all[o.Slot] = append(all[o.Slot], v)
		}
	}
	return all
}
