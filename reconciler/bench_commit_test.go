package reconciler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// withCommit is the input with a commit that changes the image of the first so
// many workloads.
func withCommit(in reconciler.Input, count int) reconciler.Input {
	spec := in.Desired
	spec.Revision.Commit = "c2"
	spec.Workloads = slices.Clone(spec.Workloads)
	for i := range count {
		spec.Workloads[i].Image, spec.Workloads[i].Pinned = "img:2", "img@2"
	}
	spec.Seal()
	in.Desired = spec
	return in
}

// BenchmarkReconcile_Commit is the pass that takes in a commit that changes every
// one of 1,000 workloads of 20 slots on 1,000 nodes: at most 150 ms.
func BenchmarkReconcile_Commit(b *testing.B) {
	steadyIn := steady(b, 1000, 1000, 20)
	for _, changed := range []int{1, 1000} {
		b.Run(fmt.Sprintf("changed=%d", changed), func(b *testing.B) {
			in := withCommit(steadyIn, changed)
			b.ReportAllocs()
			for b.Loop() {
				if p := reconciler.Reconcile(in); len(p.Changes) < changed {
					b.Fatal(len(p.Changes), "changes")
				}
			}
		})
	}
}

// BenchmarkReconcile_Step is one pass amid a rollout, of which the new slots have
// just become healthy: beside what any pass costs it costs what the workloads that
// move do. Each is timed beside a pass over the same cluster that changes nothing:
// x-no-change is how many of those one step takes, of 1 of 1,000 workloads little
// more than one.
func BenchmarkReconcile_Step(b *testing.B) {
	still := steady(b, 1000, 1000, 20)
	for _, strategy := range []string{"rolling", schema.BlueGreen, schema.Canary} {
		for _, moving := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/moving=%d", strategy, moving), func(b *testing.B) {
				in := amidRollout(b, strategy, moving)
				var steps, passes time.Duration
				b.ReportAllocs()
				for b.Loop() {
					began := time.Now()
					if reconciler.Reconcile(still).FactsChanged {
						b.Fatal("changed")
					}
					half := time.Now()
					if !reconciler.Reconcile(in).FactsChanged {
						b.Fatal("nothing moved")
					}
					passes, steps = passes+half.Sub(began), steps+time.Since(half)
				}
				b.ReportMetric(float64(steps)/float64(passes), "x-no-change")
			})
		}
	}
}

// amidRollout is a big cluster in which some workloads go over, and the first new
// instances of each have settled.
func amidRollout(tb testing.TB, strategy string, moving int) reconciler.Input {
	in := steady(tb, 1000, 1000, 20)
	in.Desired.Workloads = slices.Clone(in.Desired.Workloads)
	for i := range in.Desired.Workloads {
		u := &in.Desired.Workloads[i].Update
		u.Strategy, u.Canary = strategy, nil
		if strategy == schema.Canary {
			u.Canary = []schema.CanaryStep{{Count: 1}}
		}
	}
	in = withCommit(in, moving)
	w := &world{now: in.Now, started: in.Started, epoch: in.Epoch, desired: in.Desired, facts: in.Facts, snap: in.Observed, down: map[string]bool{}}
	w.pass()
	w.carryOut("", "")
	w.now = w.now.Add(time.Minute)
	w.hear()
	return w.input()
}
