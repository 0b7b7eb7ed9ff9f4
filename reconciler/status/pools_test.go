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
		got += fmt.Sprintf("%s<%s %d slots, %s of %s, %d‰, largest %s %s\n", p.Name, p.Parent, p.Slots, p.Use.CPU, p.Whole.CPU, p.Share, p.Largest.CPU, p.Largest.Memory.Human())
	}
	want := "default< 1 slots, 500m of 2, 500‰, largest 1500m 1Gi\nprod<default 1 slots, 500m of 2, 500‰, largest 1500m 1Gi\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
