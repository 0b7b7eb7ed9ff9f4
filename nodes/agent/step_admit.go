package agent

import (
	"fmt"

	"github.com/bayplan/bayplan/nodes"
)

// Admit says whether next may follow held on the node, and whether it is the same
// again. An error refuses it, and nothing of it is done (I20).
func Admit(node string, held, next nodes.Assignment) (same bool, err error) {
	if next.Node != node {
		return false, fmt.Errorf("assignment for node %q reached node %q", next.Node, node)
	}
	if err := wellFormed(next.Orders); err != nil {
		return false, err
	}
	if err := deletesNothingUsed(&next); err != nil {
		return false, err
	}
	switch c := next.Version.Compare(held.Version); {
	case c < 0:
		return false, fmt.Errorf("assignment %d.%d is older than %d.%d, by which node %s lives: it comes from a former leader",
			next.Version.Epoch, next.Version.Serial, held.Version.Epoch, held.Version.Serial, node)
	case c > 0:
		return false, nil
	case held.Sum() != next.Sum():
		return false, fmt.Errorf("assignment %d.%d came twice with different orders", next.Version.Epoch, next.Version.Serial)
	}
	return true, nil
}

// wellFormed is what Step relies on.
func wellFormed(orders []nodes.Order) error {
	for i := range orders {
		o := &orders[i]
		switch {
		case o.ID == "" || o.ID != nodes.InstanceID(o.Slot, o.Digest):
			return fmt.Errorf("order %q is not named for slot %s and digest %s", o.ID, o.Slot, o.Digest.Short())
		case i > 0 && orders[i-1].ID >= o.ID:
			return fmt.Errorf("orders %q and %q are not sorted", orders[i-1].ID, o.ID)
		case o.Workload == nil && !o.Stop && (o.Step == nil || o.Step.On == ""):
			return fmt.Errorf("order %q has no workload", o.ID)
		case o.Workload != nil && o.Workload.Name != o.Slot.Workload:
			return fmt.Errorf("order %q is for workload %q", o.ID, o.Workload.Name)
		}
	}
	return nil
}

// deletesNothingUsed refuses to delete the volumes of what is to run (I18).
func deletesNothingUsed(a *nodes.Assignment) error {
	for i, d := range a.Deletions {
		if i > 0 && a.Deletions[i-1].Slot.Compare(d.Slot) >= 0 {
			return fmt.Errorf("the deletions of the volumes of %s and %s are not sorted", a.Deletions[i-1].Slot, d.Slot)
		}
		for k := range a.Orders {
			if o := &a.Orders[k]; o.Slot == d.Slot && !o.Stop {
				return fmt.Errorf("order %q is to run, and its volumes are to be deleted", o.ID)
			}
		}
	}
	return nil
}
