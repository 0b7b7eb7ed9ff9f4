package reconciler_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// steady is a cluster in which everything is as desired; its workloads are services,
// but for what the fields say.
func steady(tb testing.TB, nodeCount, workloads, replicas int, fields ...string) reconciler.Input {
	w := newWorld()
	for i := range nodeCount {
		w.snap.Nodes = append(w.snap.Nodes, nodes.Seen{At: w.now, Report: nodes.Report{Inventory: true,
			Node: nodes.Node{Name: fmt.Sprintf("node-%04d", i), Attributes: map[string]string{"zone": "a"},
				Allocatable: nodes.Capacity{CPU: 16000, Memory: 64 << 30}, PortMin: 20000, PortMax: 32000}}})
	}
	spec := schema.Spec{Revision: schema.Revision{Commit: "c1"}, Teams: []schema.Team{{Name: "team"}}}
	for i := range workloads {
		spec.Workloads = append(spec.Workloads, parseWorkload(nil, slices.Concat([]string{fmt.Sprintf("team/work-%04d", i)}, fields, []string{fmt.Sprintf("replicas=%d", replicas)})))
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

// stateful are slots that each have a home, a volume and fellows.
var stateful = []string{"kind=stateful", "start=parallel", "volume=data", "port=sql:5432"}

// processorTime is what this process has used of the processors: others that run
// beside it on the machine do not count.
func processorTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReconcile_NoChange is a pass that finds all well: 1,000 nodes and
// 20,000 slots of any kind are to take at most 10 ms, and no memory.
func BenchmarkReconcile_NoChange(b *testing.B) {
	for _, size := range []struct {
		nodes, workloads, replicas int
		fields                     []string
	}{{100, 100, 20, nil}, {1000, 1000, 20, nil}, {1000, 1000, 2, nil}, {1000, 4000, 5, stateful}} {
		kind := "service"
		if size.fields != nil {
			kind = "stateful"
		}
		b.Run(fmt.Sprintf("%s/nodes=%d/slots=%d", kind, size.nodes, size.workloads*size.replicas), func(b *testing.B) {
			in := steady(b, size.nodes, size.workloads, size.replicas, size.fields...)
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				if reconciler.Reconcile(in).FactsChanged {
					b.Fatal("changed")
				}
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}

// TestReconcile_NoChangeAllocatesNothing: a pass that changes nothing works in the
// memory of the one before it.
func TestReconcile_NoChangeAllocatesNothing(t *testing.T) {
	for kind, fields := range map[string][]string{"service": nil, "stateful": stateful} {
		in := steady(t, 20, 10, 40, fields...)
		if n := testing.AllocsPerRun(20, func() { reconciler.Reconcile(in) }); n > 0 {
			t.Errorf("%s: a pass over 400 slots allocates %v times", kind, n)
		}
	}
}

// TestReconcile_FellowsShareOneListOfPeers: what is told to each slot of a workload is
// one list, or a pass would compare the lists of all of them.
func TestReconcile_FellowsShareOneListOfPeers(t *testing.T) {
	in := steady(t, 20, 10, 5, stateful...)
	told := map[string]*nodes.Peer{}
	for i := range in.Facts.Nodes {
		orders := in.Facts.Nodes[i].Assignment.Orders
		for j := range orders {
			o := &orders[j]
			if first := told[o.Slot.Workload]; first != nil && first != &o.Peers[0] {
				t.Fatalf("%s has a list of its own", o.Slot)
			}
			told[o.Slot.Workload] = &o.Peers[0]
		}
	}
	if len(told) != 10 {
		t.Fatalf("orders of %d workloads", len(told))
	}
}
