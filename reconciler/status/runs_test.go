package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// jobFacts are those of one job or cron with these runs, oldest first.
func jobFacts(w schema.Workload, stage reconciler.Stage, runs ...reconciler.Run) reconciler.Facts {
	for i := range runs {
		runs[i].Work = &w
	}
	return reconciler.Facts{
		Rollouts: []reconciler.Rollout{{Workload: w.Name, Stage: stage, Want: &w, Target: w.Digest()}},
		Jobs:     []reconciler.JobFact{{Workload: w.Name, Runs: runs, Until: noon.Add(-time.Hour), Skipped: noon.Add(-2 * time.Hour), SkippedWhy: "run a was under way"}},
	}
}

func workloadOf(t *testing.T, f reconciler.Facts) (status.Workload, []status.Problem) {
	t.Helper()
	s := status.Of(status.Input{Facts: f, Now: noon, Started: noon})
	if len(s.Workloads) != 1 {
		t.Fatalf("%d workloads", len(s.Workloads))
	}
	return s.Workloads[0], s.Problems
}

var (
	goodSlot = reconciler.RunSlot{Attempt: 1, Instance: "x", Node: "n1", Began: noon.Add(-time.Minute), Ended: noon, Completed: true}
	badSlot  = reconciler.RunSlot{Attempt: 2, Failures: 2, Instance: "y", Node: "n2", Began: noon.Add(-time.Minute), Ended: noon, ExitCode: 3, Text: "exited with code 3"}
)

func TestOf_TellsOfRuns(t *testing.T) {
	job := schema.Workload{Name: "shop/report", Kind: schema.Job, Batch: schema.Batch{Completions: 2, Parallelism: 1, Attempts: 2}}
	cron := schema.Workload{Name: "shop/tidy", Kind: schema.Cron, Batch: schema.Batch{Completions: 1}, Timing: schema.Timing{Schedule: "30 2 * * *", TimeZone: "Europe/Berlin"}}
	done := reconciler.Run{Name: "a", Outcome: reconciler.RunCompleted, Began: noon.Add(-time.Minute), Ended: noon, Slots: []reconciler.RunSlot{goodSlot}}
	failed := reconciler.Run{Name: "b", Outcome: reconciler.RunFailed, Reason: "shop/tidy.1 on n2: exited with code 3", First: 1, Slots: []reconciler.RunSlot{badSlot}}
	for name, c := range map[string]struct {
		facts                  reconciler.Facts
		state, reason, problem string
	}{
		"under way": {jobFacts(job, reconciler.Rolling, reconciler.Run{Name: "a", Outcome: reconciler.RunUnderWay, Slots: []reconciler.RunSlot{goodSlot, {}}}),
			"running", "1 of 2 are complete", ""},
		"tried again": {jobFacts(job, reconciler.Rolling, reconciler.Run{Name: "a", Outcome: reconciler.RunUnderWay, Slots: []reconciler.RunSlot{goodSlot, badSlot}}),
			"running", "1 of 2 are complete; shop/report.1 failed 2 times: exited with code 3", ""},
		"complete":      {jobFacts(job, reconciler.Done, done), "completed", "", ""},
		"between":       {jobFacts(cron, reconciler.Done, failed, done), "scheduled", "fires next at 2026-01-03 01:30 UTC", ""},
		"a firing fell": {jobFacts(cron, reconciler.Done, done, failed), "failed", "shop/tidy.1 on n2: exited with code 3", "bayplan logs shop/tidy.1"},
	} {
		w, problems := workloadOf(t, c.facts)
		if w.State != c.state || w.Reason != c.reason {
			t.Errorf("%s: %s: %s", name, w.State, w.Reason)
		}
		if next := nextOf(problems); next != c.problem {
			t.Errorf("%s: next is %q, want %q", name, next, c.problem)
		}
	}
}

func nextOf(all []status.Problem) string {
	if len(all) == 0 {
		return ""
	}
	return all[0].Next
}

// A container that has ended well is no problem, and holds nothing of its node.
func TestOf_EndedContainerIsNoProblem(t *testing.T) {
	w := schema.Workload{Name: "shop/report", Kind: schema.Job, Batch: schema.Batch{Completions: 1, Attempts: 1},
		Resources: schema.Resources{CPU: 500}, Env: map[string]string{"BAYPLAN_RUN": "a"}}
	f := jobFacts(w, reconciler.Done, reconciler.Run{Name: "a", Outcome: reconciler.RunCompleted, Slots: []reconciler.RunSlot{goodSlot}})
	f.Nodes = []reconciler.NodeFact{{Name: "n1", Assignment: nodes.Assignment{Orders: []nodes.Order{{ID: "x", Slot: schema.Slot{Workload: w.Name}, Workload: &w}}}}}
	seen := nodes.Snapshot{Nodes: []nodes.Seen{{At: noon, Report: nodes.Report{Node: nodes.Node{Name: "n1"}, Instances: []nodes.Instance{
		{ID: "x", Slot: schema.Slot{Workload: w.Name}, Phase: nodes.Stopped, Failure: &nodes.Failure{Code: nodes.Exited, Text: "exited with code 0"}}}}}}}
	s := status.Of(status.Input{Facts: f, Observed: seen, Now: noon, Started: noon})
	if len(s.Problems) > 0 || s.Nodes[0].Reserved.CPU != 0 || s.Workloads[0].State != "completed" {
		t.Errorf("%+v, %s reserved, %s", s.Problems, s.Nodes[0].Reserved.CPU, s.Workloads[0].State)
	}
}

// An end with 0 is a failure of what begins anew, and of nothing that is over.
func TestHappened_GoodEndIsNoFailure(t *testing.T) {
	end := &nodes.Failure{Code: nodes.Exited, Text: "exited with code 0", At: noon, Count: 1}
	bad := &nodes.Failure{Code: nodes.Exited, Text: "exited with code 1", ExitCode: 1, At: noon, Count: 1}
	for name, c := range map[string]struct {
		lives    []nodes.Instance
		failures int
	}{
		"ends well":              {[]nodes.Instance{{Phase: nodes.Running}, {Phase: nodes.Stopped, Failure: end}}, 0},
		"its sidecars end later": {[]nodes.Instance{{Phase: nodes.Running}, {Phase: nodes.Running, Failure: end}, {Phase: nodes.Stopped, Failure: end}}, 0},
		"fails":                  {[]nodes.Instance{{Phase: nodes.Running}, {Phase: nodes.Stopped, Failure: bad}}, 1},
		"begins anew":            {[]nodes.Instance{{Phase: nodes.Running}, {Phase: nodes.Running, Failure: end}, {Phase: nodes.Starting, Failure: end}, {Phase: nodes.Running, Restarts: 1, Failure: end}}, 1},
		"begins anew unseen":     {[]nodes.Instance{{Phase: nodes.Running}, {Phase: nodes.Running, Restarts: 1, Failure: end}, {Phase: nodes.Running, Restarts: 1, Health: nodes.Healthy, Failure: end}}, 1},
	} {
		told, before := 0, nodes.Snapshot{}
		for _, life := range c.lives {
			after := nodes.Snapshot{Nodes: []nodes.Seen{{Report: nodes.Report{Node: nodes.Node{Name: "n1"}, Instances: []nodes.Instance{life}}}}}
			for _, e := range status.Happened(&reconciler.Facts{}, before, after, noon) {
				if e.Kind == "failure" {
					told++
				}
			}
			before = after
		}
		if told != c.failures {
			t.Errorf("one that %s makes %d failures, want %d", name, told, c.failures)
		}
	}
}

func TestDecided_TellsOfRuns(t *testing.T) {
	job := schema.Workload{Name: "shop/report", Kind: schema.Job}
	run := func(o reconciler.RunOutcome, reason string) reconciler.Facts {
		return jobFacts(job, reconciler.Rolling, reconciler.Run{Name: "a", Outcome: o, Reason: reason, Began: noon, Ended: noon.Add(90 * time.Second)})
	}
	none := reconciler.Facts{Rollouts: run(reconciler.RunUnderWay, "").Rollouts}
	for _, c := range []struct {
		before, after reconciler.Facts
		want          string
	}{
		{none, run(reconciler.RunUnderWay, ""), "run a of shop/report begins"},
		{run(reconciler.RunUnderWay, ""), run(reconciler.RunCompleted, ""), "run a of shop/report has completed after 1m30s"},
		{run(reconciler.RunUnderWay, ""), run(reconciler.RunFailed, "no"), "run a of shop/report has failed: no"},
		{run(reconciler.RunUnderWay, ""), run(reconciler.RunSuperseded, "by b"), "run a of shop/report is superseded: by b"},
		{run(reconciler.RunSuperseded, "by b"), run(reconciler.RunUnderWay, ""), "run a of shop/report goes on"},
	} {
		var told []string
		for _, e := range status.Decided(&c.before, &reconciler.Plan{Facts: c.after}, noon) {
			if e.Kind == "run" && !strings.Contains(e.Text, "does not run") {
				told = append(told, e.Text)
			}
		}
		if got := strings.Join(told, "; "); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
