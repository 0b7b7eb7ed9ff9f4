package reconciler

import "github.com/bayplan/bayplan/nodes"

// where names an instance for people.
func (p *pass) where(e *entry) string {
	return e.order.Slot.String() + " on " + p.nodes[e.node].fact.Name
}

// pulling is whether an instance waits for its image or archive.
func pulling(e *entry) bool {
	return e != nil && e.inst != nil && e.inst.Phase == nodes.Pulling
}

// pullOf is what an instance waits for, and how far that is.
func pullOf(e *entry) string {
	what := e.order.Workload.Source()
	if f := e.inst.Fetched; f != nil {
		what += " (" + f.String() + ")"
	}
	return what
}
