package invariants

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// NodeFact finds a node; nil for none.
func NodeFact(f *reconciler.Facts, name string) *reconciler.NodeFact {
	i := slices.IndexFunc(f.Nodes, func(n reconciler.NodeFact) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Nodes[i]
}

// RolloutOf finds a workload's; nil for none.
func RolloutOf(f *reconciler.Facts, workload string) *reconciler.Rollout {
	i := slices.IndexFunc(f.Rollouts, func(r reconciler.Rollout) bool { return r.Workload == workload })
	if i < 0 {
		return nil
	}
	return &f.Rollouts[i]
}

// GoalOf is what the rollout steers to, by the rule that is written at Stage.
func GoalOf(r *reconciler.Rollout) *schema.Workload {
	if r == nil {
		return nil
	}
	switch {
	case r.Stage == reconciler.Reverting, r.Stage == reconciler.Reverted, r.Stage == reconciler.Waiting && r.Good != nil:
		return r.Good
	}
	return r.Want
}

func kindOf(r *reconciler.Rollout) schema.Kind {
	if g := GoalOf(r); g != nil {
		return g.Kind
	}
	return ""
}

// OrderOf finds an order of a node by its ID; nil for none.
func OrderOf(n *reconciler.NodeFact, id string) *nodes.Order {
	if n == nil {
		return nil
	}
	i := slices.IndexFunc(n.Assignment.Orders, func(o nodes.Order) bool { return o.ID == id })
	if i < 0 {
		return nil
	}
	return &n.Assignment.Orders[i]
}

// VolumeFact finds what is known of a slot's volumes on a node; nil for nothing.
func VolumeFact(f *reconciler.Facts, slot schema.Slot, node string) *reconciler.VolumeFact {
	i := slices.IndexFunc(f.Volumes, func(v reconciler.VolumeFact) bool { return v.Slot == slot && v.Node == node })
	if i < 0 {
		return nil
	}
	return &f.Volumes[i]
}

// keepsPlace is whether a slot of the workload is not like its others.
func keepsPlace(w *schema.Workload) bool {
	return w != nil && (w.Kind == schema.Stateful || KeepsVolumes(w))
}

// KeepsVolumes is whether the workload's slots have data on one node each.
func KeepsVolumes(w *schema.Workload) bool {
	return w.OwnsVolumes() && (w.Kind == schema.Service || w.Kind == schema.Stateful)
}

func mayReplace(w *schema.Workload) bool {
	return w != nil && w.Kind == schema.Stateful && w.OnLost == schema.ReplaceElsewhere
}

func draining(f *reconciler.Facts, node string) bool {
	return slices.ContainsFunc(f.Cordons, func(c reconciler.Cordon) bool { return c.Node == node && c.Drain })
}
