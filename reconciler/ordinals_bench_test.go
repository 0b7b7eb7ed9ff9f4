package reconciler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// steadyStateful is a cluster of stateful workloads in which everything is as
// desired.
func steadyStateful(tb testing.TB, nodeCount, workloads, replicas int) reconciler.Input {
	w := newWorld()
	for i := range nodeCount {
		w.snap.Nodes = append(w.snap.Nodes, nodes.Seen{At: w.now, Report: nodes.Report{Inventory: true,
			Node: nodes.Node{Name: fmt.Sprintf("node-%04d", i), Allocatable: nodes.Capacity{CPU: 16000, Memory: 64 << 30}, PortMin: 20000, PortMax: 32000}}})
	}
	spec := schema.Spec{Revision: schema.Revision{Commit: "c1"}, Teams: []schema.Team{{Name: "team"}}}
	for i := range workloads {
		spec.Workloads = append(spec.Workloads, parseWorkload(nil, []string{fmt.Sprintf("team/work-%04d", i), "kind=stateful",
			fmt.Sprintf("replicas=%d", replicas), "start=parallel", "volume=data", "port=sql:5432"}))
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

// BenchmarkReconcile_NoChangeStateful is BenchmarkReconcile_NoChange for slots
// that each have a home, a volume and fellows.
func BenchmarkReconcile_NoChangeStateful(b *testing.B) {
	in := steadyStateful(b, 1000, 4000, 5)
	b.ReportAllocs()
	for b.Loop() {
		if reconciler.Reconcile(in).FactsChanged {
			b.Fatal("changed")
		}
	}
}

func TestReconcile_NoChangeOfStatefulAllocatesNothingBySlot(t *testing.T) {
	few, many := steadyStateful(t, 20, 10, 2), steadyStateful(t, 20, 10, 40)
	count := func(in reconciler.Input) float64 {
		return testing.AllocsPerRun(20, func() { reconciler.Reconcile(in) })
	}
	if a, b := count(few), count(many); b > a+5 {
		t.Errorf("a pass over 20 slots allocates %v times, over 400 slots %v times", a, b)
	}
}
