package evaluation

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
	"github.com/bayplan/bayplan/testenv/monorepo"
)

// BenchmarkPlan is what comes after the Spec: a plan with placement for a commit
// that changes one workload, on 1,000 nodes that run 20,000 slots.
func BenchmarkPlan(b *testing.B) {
	dir := b.TempDir()
	if err := monorepo.Write(dir, monorepo.Large); err != nil {
		b.Fatal(err)
	}
	spec, err := load.Load(os.DirFS(dir), schema.Revision{Commit: "c1"})
	if err != nil {
		b.Fatal(err)
	}
	pin(&spec)
	in := settledOn(b, spec, 1000)
	var all []time.Duration
	for i := range 11 {
		head := spec
		head.Workloads = append([]schema.Workload{}, spec.Workloads...)
		w := &head.Workloads[900*i]
		w.Image = strings.Replace(w.Image, ":1.1.0", ":1.2.0", 1)
		w.Pinned = "registry.example/x@sha256:" + strings.Repeat("2", 64)
		head.Revision.Commit = fmt.Sprintf("head-%d", i)
		before := own()
		p := status.Plan(in, status.Question{Head: head})
		all = append(all, own()-before)
		if len(p.Changes) == 0 {
			b.Fatalf("the plan has no changes: %+v", p)
		}
	}
	add("the plan of one changed workload, with placement, on 1,000 nodes: processor time", "<= 300ms", span(all), median(all) <= 300*time.Millisecond)
	b.ReportMetric(0, "ns/op")
}

// pin gives each image a digest, as the server does before it plans.
func pin(spec *schema.Spec) {
	for i := range spec.Workloads {
		spec.Workloads[i].Pinned = "registry.example/x@sha256:" + strings.Repeat("1", 64)
	}
	spec.Seal()
}

// settledOn is a cluster on which all of the Spec runs.
func settledOn(b *testing.B, spec schema.Spec, count int) reconciler.Input {
	b.Helper()
	in := reconciler.Input{Desired: spec, Now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Epoch: 1}
	for i := range count {
		in.Observed.Nodes = append(in.Observed.Nodes, nodes.Seen{At: in.Now, Report: nodes.Report{Inventory: true,
			Node: nodes.Node{Name: fmt.Sprintf("node-%04d", i), Attributes: map[string]string{"zone": []string{"a", "b", "c"}[i%3]},
				Allocatable: nodes.Capacity{CPU: 16000, Memory: 64 << 30}, PortMin: 20000, PortMax: 32000}}})
	}
	in.Facts = reconciler.Foresee(in).Facts
	in.Observed = reconciler.Ideal(&in.Facts, in.Observed, in.Now)
	return in
}
