package status

import (
	"fmt"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// TestOf_Pools tells of the repository's pools what their orders hold.
func TestOf_Pools(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := &schema.Workload{Name: "shop/web", Kind: schema.Service, Pool: "prod", Resources: schema.Resources{CPU: 500, Memory: 1 << 30}}
	slot := schema.Slot{Workload: w.Name}
	n := nodes.Node{Name: "n1", Allocatable: nodes.Capacity{CPU: 2000, Memory: 2 << 30}}
	facts := reconciler.Facts{
		Spec:  schema.Spec{Pools: []schema.Pool{{Name: "default", Weight: 1}, {Name: "prod", Parent: "default", Weight: 2}}},
		Nodes: []reconciler.NodeFact{{Name: "n1", Node: n, Assignment: nodes.Assignment{Node: "n1", Orders: []nodes.Order{{ID: "x", Slot: slot, Workload: w}}}}},
	}
	in := Input{Facts: facts, Now: now, Started: now, Observed: nodes.Snapshot{Nodes: []nodes.Seen{{At: now, Report: nodes.Report{Node: n}}}}}
	got := ""
	for _, p := range Of(in).Pools {
		got += fmt.Sprintf("%s<%s %d slots, %s of %s, %d‰, largest %v\n", p.Name, p.Parent, p.Slots, p.Use.CPU, p.Whole.CPU, p.Share, p.Largest)
	}
	want := "default< 1 slots, 500m of 2, 500‰, largest [{1500m 1Gi}]\nprod<default 1 slots, 500m of 2, 500‰, largest [{1500m 1Gi}]\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestMovesOf tells of a slot that would be better placed, and what that gains.
func TestMovesOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := &schema.Workload{Name: "shop/web", Kind: schema.Service, Pool: "default", Replicas: 2, Resources: schema.Resources{CPU: 500, Memory: 1 << 30},
		Update: schema.Update{Strategy: "rolling", MaxUnavailable: schema.Amount{Count: 1}}}
	in := reconciler.Input{Now: now, Started: now}
	in.Facts.Rollouts = []reconciler.Rollout{{Workload: w.Name, Want: w, Target: "d"}}
	for k, name := range []string{"n1", "n2"} {
		fact := reconciler.NodeFact{Name: name, Node: nodes.Node{Name: name, Allocatable: nodes.Capacity{CPU: 2000, Memory: 4 << 30}}}
		seen := nodes.Seen{At: now, Report: nodes.Report{Node: fact.Node, Inventory: true}}
		for i := range 2 - 2*k {
			slot := schema.Slot{Workload: w.Name, Index: i}
			id := nodes.InstanceID(slot, "d")
			fact.Assignment.Orders = append(fact.Assignment.Orders, nodes.Order{ID: id, Slot: slot, Digest: "d", Workload: w})
			seen.Report.Instances = append(seen.Report.Instances, nodes.Instance{ID: id, Slot: slot, Digest: "d", Phase: nodes.Running, Health: nodes.Healthy})
		}
		in.Facts.Nodes, in.Observed.Nodes = append(in.Facts.Nodes, fact), append(in.Observed.Nodes, seen)
	}
	got := fmt.Sprintf("%+v", MovesOf(in, 5).Moves)
	want := "[{Slot:shop/web.0 From:n1 To:n2 Gain:226 Before:260 (fit 760, spread -500) After:486 (fit 486, spread 0)}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
