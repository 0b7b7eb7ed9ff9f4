package view

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

func TestRuns(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	all := []status.Workload{
		{Name: "shop/report", Kind: "job", Runs: []status.Run{
			{Run: "3f2a9c01d4e5", Outcome: reconciler.RunUnderWay, Began: now.Add(-time.Minute), Completed: 1, Completions: 2, Attempts: 3, Slots: []status.RunSlot{
				{Slot: "shop/report.0", Node: "n1", Attempt: 1, State: "completed", Began: now.Add(-time.Minute)},
				{Slot: "shop/report.1", Node: "n2", Attempt: 2, State: "running", Began: now.Add(-5 * time.Second)}}},
			{Run: "0b1c2d3e4f50", Outcome: reconciler.RunFailed, Reason: "shop/report.2 on n1: exited with code 3", Began: now.Add(-time.Hour), Ended: now.Add(-time.Hour + 9*time.Second), Completions: 1, Attempts: 1,
				Slots: []status.RunSlot{{Slot: "shop/report.2", Node: "n1", Attempt: 1, Failures: 1, State: "ended", ExitCode: 3, Reason: "exited with code 3", Began: now.Add(-time.Hour)}}}}},
		{Name: "shop/tidy", Kind: "cron", Next: now.Add(time.Hour), Skipped: &status.Skipped{At: now.Add(-time.Hour), Reason: "run a was under way"}},
	}
	var b strings.Builder
	Runs(&b, all, Look{Now: now, Wide: true})
	var got []string
	for line := range strings.Lines(b.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"WORKLOAD RUN OUTCOME COMPLETE ATTEMPTS BEGAN TOOK REASON",
		"shop/report 3f2a9c01d4e5 running 1/2 3 60s 60s",
		"shop/report 0b1c2d3e4f50 failed 0/1 1 60m 9.0s shop/report.2 on n1: exited with code 3",
		"",
		"SLOT RUN NODE ATTEMPT STATE BEGAN EXIT REASON",
		"shop/report.0 3f2a9c01d4e5 n1 1 completed 60s 0",
		"shop/report.1 3f2a9c01d4e5 n2 2 running 5s -",
		"shop/report.2 0b1c2d3e4f50 n1 1 ended 60m 3 exited with code 3",
		"shop/tidy did not run for 2026-01-02 11:00 UTC: run a was under way",
		"shop/tidy fires next at 2026-01-02 13:00 UTC",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
