package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// The plan of the example with jobs, on three empty nodes: a job's run and where
// its slots would be, what a cron does, and the service behind the job.
func TestExamples_BatchIsPlanned(t *testing.T) {
	spec, err := load.Load(os.DirFS("../../examples/batch"), schema.Revision{Commit: "c0ffee"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range spec.Workloads {
		spec.Workloads[i].Pinned = spec.Workloads[i].Image
	}
	spec.Seal()
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	in := reconciler.Input{Desired: spec, Now: now, Started: now, Epoch: 1}
	for i := range 3 {
		in.Observed.Nodes = append(in.Observed.Nodes, nodes.Seen{At: now, Report: nodes.Report{Inventory: true, Node: nodes.Node{Name: fmt.Sprintf("n%d", i+1),
			Allocatable: nodes.Capacity{CPU: 4000, Memory: 8 << 30}, PortMin: 20000, PortMax: 20999, Runtime: "test 1"}}})
	}
	forecast := reconciler.Foresee(in)
	var got []string
	for _, c := range status.PreviewOf(&in.Facts, &forecast, nil).Changes {
		got = append(got, fmt.Sprintf("%s %s, %d slots: %s", c.Action, c.Workload, len(c.Slots), c.Strategy))
	}
	want := []string{
		`create office/backup, 0 slots: from its next instant on, "30 2 * * MON-FRI" by the clock of Europe/Berlin: one to complete, up to 3 attempts each`,
		`create office/report, 12 slots: a new run: 12 to complete, 4 at once, up to 3 attempts each`,
		`create office/schema, 1 slots: a new run: one to complete, tried once`,
		`create office/web, 2 slots: `,
	}
	if diff := cmp.Diff(want, got); diff != "" || !forecast.Complete || len(forecast.Blocked) > 0 {
		t.Errorf("complete: %v, blocked: %v\n%s", forecast.Complete, forecast.Blocked, diff)
	}
	for i := range forecast.Facts.Rollouts {
		if r := &forecast.Facts.Rollouts[i]; r.Stage != reconciler.Done {
			t.Errorf("%s is %s in the end: %s", r.Workload, r.Stage, r.Reason)
		}
	}
	if c := forecast.Facts.Commits; len(c) != 1 || c[0].Outcome != reconciler.Applied || strings.Contains(c[0].Reason, "fail") {
		t.Errorf("%+v", c)
	}
}
