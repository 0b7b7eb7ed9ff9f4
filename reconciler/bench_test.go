package reconciler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// steady is a cluster in which everything is as desired.
func steady(tb testing.TB, nodeCount, workloads, replicas int) reconciler.Input {
	w := newWorld()
	for i := range nodeCount {
		w.snap.Nodes = append(w.snap.Nodes, nodes.Seen{At: w.now, Report: nodes.Report{Inventory: true,
			Node: nodes.Node{Name: fmt.Sprintf("node-%04d", i), Attributes: map[string]string{"zone": "a"},
				Allocatable: nodes.Capacity{CPU: 16000, Memory: 64 << 30}, PortMin: 20000, PortMax: 32000}}})
	}
	spec := schema.Spec{Revision: schema.Revision{Commit: "c1"}, Teams: []schema.Team{{Name: "team"}}}
	for i := range workloads {
		spec.Workloads = append(spec.Workloads, parseWorkload(nil, []string{fmt.Sprintf("team/work-%04d", i), fmt.Sprintf("replicas=%d", replicas)}))
	}
	spec.Seal()
	w.desired = spec
	for range 4 {
		w.pass()
		w.carryOut("", "")
		w.now = w.now.Add(time.Minute)
		w.hear()
	}
	if p := reconciler.Reconcile(w.input()); p.FactsChanged || len(p.Blocked) > 0 {
		tb.Fatal("the cluster is not steady", len(p.Changes), p.Blocked)
	}
	return w.input()
}

// BenchmarkReconcile_NoChange is a pass that finds all well: 1,000 nodes and
// 20,000 slots are to take at most 10 ms, and no memory that grows with slots.
func BenchmarkReconcile_NoChange(b *testing.B) {
	for _, size := range []struct{ nodes, workloads, replicas int }{{100, 100, 20}, {1000, 1000, 20}, {1000, 1000, 2}} {
		b.Run(fmt.Sprintf("nodes=%d/slots=%d", size.nodes, size.workloads*size.replicas), func(b *testing.B) {
			in := steady(b, size.nodes, size.workloads, size.replicas)
			b.ReportAllocs()
			for b.Loop() {
				if reconciler.Reconcile(in).FactsChanged {
					b.Fatal("changed")
				}
			}
		})
	}
}

// TestReconcile_NoChangeAllocatesNothingBySlot shows that the memory of a pass
// that changes nothing does not grow with the slots.
func TestReconcile_NoChangeAllocatesNothingBySlot(t *testing.T) {
	few := steady(t, 50, 50, 2)
	many := steady(t, 50, 50, 40)
	count := func(in reconciler.Input) float64 {
		return testing.AllocsPerRun(20, func() { reconciler.Reconcile(in) })
	}
	if a, b := count(few), count(many); b > a+5 {
		t.Errorf("a pass over 100 slots allocates %v times, over 2,000 slots %v times", a, b)
	}
}
