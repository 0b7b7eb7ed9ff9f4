package status_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// ordered is a rollout whose second of three slots has a check that fails.
func ordered(state reconciler.TryState) reconciler.Rollout {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := &schema.Workload{Name: "shop/db", Kind: schema.Service, Image: "db:2", Replicas: 3, Update: schema.Update{Strategy: schema.Ordered,
		Runbook: &schema.Runbook{Phases: []schema.Phase{{Name: "replicas", Slots: []int{2, 1}, After: []schema.Step{
			{Name: "lag", Kind: schema.Check, Retries: 9, Exec: &schema.ExecCheck{Command: []string{"lag"}}}}}, {Name: "primary"}}}}}
	try := reconciler.Try{List: "after", Slot: 1, On: 1, Number: 3, Order: "shop/db.1@s", Node: "n2", State: state, Began: at}
	if state != reconciler.TryOrdered {
		try.Ended, try.Code, try.Text, try.Output = at.Add(time.Second), 1, "lag exited with code 1", "looking\nlag is 7 MB"
	}
	return reconciler.Rollout{Workload: "shop/db", Stage: reconciler.Rolling, Want: want, Target: want.Digest(), Commit: "c2", Course: &reconciler.Course{ID: "x", Part: 1,
		Turns: []reconciler.Turn{{Slot: 2, At: reconciler.TurnEnd}, {Slot: 1, At: reconciler.TurnAfter}},
		Tries: []reconciler.Try{try}}}
}

// An ordered update tells its phase, the slots' turns, the step, the try and what
// it wrote last; a step's order is no instance of the workload.
func TestOf_Runbook(t *testing.T) {
	r := ordered(reconciler.TryFailed)
	o := nodes.Order{ID: "shop/db.1@s", Slot: schema.Slot{Workload: "shop/db", Index: 1}, Step: &nodes.Step{Name: "lag", On: "shop/db.1@a"}, Reason: nodes.RunbookStep}
	st := status.Of(status.Input{Facts: reconciler.Facts{Rollouts: []reconciler.Rollout{r},
		Nodes: []reconciler.NodeFact{{Name: "n2", Node: nodes.Node{Name: "n2"}, Assignment: nodes.Assignment{Node: "n2", Orders: []nodes.Order{o}}}}}})
	w := st.Workloads[0]
	if len(w.Slots) != 0 {
		t.Errorf("slots %+v", w.Slots)
	}
	b := w.Runbook
	if b == nil || b.Part != "replicas" || len(b.Turns) != 2 || b.Turns[1] != (status.RunbookTurn{Slot: "shop/db.1", At: "after"}) {
		t.Fatalf("%+v", b)
	}
	s := b.Steps[0]
	if s.Name != "lag" || s.Kind != "check" || s.Try != 3 || s.Tries != 10 || s.State != "failed" || s.ExitCode != 1 || s.Output != "looking\nlag is 7 MB" {
		t.Errorf("%+v", s)
	}
	const text = "runbook: replicas, shop/db.1 after its change: step lag on n2, try 3 of 10 failed: lag exited with code 1: lag is 7 MB"
	if b.Text != text || !strings.HasPrefix(w.Reason, text+"; 0 of 3 slots are on ") {
		t.Errorf("%q\n%q", b.Text, w.Reason)
	}
	for _, r.Stage = range []reconciler.Stage{reconciler.Done, reconciler.Reverted} {
		if st := status.Of(status.Input{Facts: reconciler.Facts{Rollouts: []reconciler.Rollout{r}}}); st.Workloads[0].Runbook != nil {
			t.Errorf("%s: a runbook that is over is told of", r.Stage)
		}
	}
}

// A canary's checks are told as a runbook's steps are, while they are made.
func TestOf_CanaryChecks(t *testing.T) {
	r := ordered(reconciler.TryFailed)
	r.Want.Update = schema.Update{Strategy: schema.Canary, Canary: []schema.CanaryStep{{Count: 1}, {Count: 2, Checks: []schema.Step{
		{Name: "smoke", Kind: schema.Check, Retries: 9, HTTP: &schema.HTTPCheck{Path: "/", Port: "http"}}}}}}
	r.Step, r.Course.Part, r.Course.Turns, r.Course.Tries[0].List = 1, 0, nil, "canary 2"
	st := status.Of(status.Input{Facts: reconciler.Facts{Rollouts: []reconciler.Rollout{r}}})
	const text = "canary 2: step smoke on n2, try 3 of 10 failed: lag exited with code 1: lag is 7 MB"
	if b := st.Workloads[0].Runbook; b == nil || b.Part != "canary 2" || b.Text != text || b.Steps[0].Kind != "check" {
		t.Fatalf("%+v", b)
	}
	r.Course.Part, r.Course.Tries = 1, nil
	if st := status.Of(status.Input{Facts: reconciler.Facts{Rollouts: []reconciler.Rollout{r}}}); st.Workloads[0].Runbook != nil {
		t.Error("checks that passed are told of")
	}
}

// Each step's end is an event: also of the last of its list, which is forgotten
// as it passes.
func TestDecided_TellsStepsThatEnded(t *testing.T) {
	before, failed, next := ordered(reconciler.TryOrdered), ordered(reconciler.TryFailed), ordered(reconciler.TryFailed)
	next.Course.Tries = nil
	for name, c := range map[string]struct {
		after reconciler.Rollout
		want  []string
	}{
		"failed":          {failed, []string{"shop/db.1: after, step lag on n2, try 3 of 10 failed: lag exited with code 1: lag is 7 MB"}},
		"passed":          {next, []string{"shop/db.1: after, step lag on n2, try 3 of 10 passed"}},
		"still under way": {ordered(reconciler.TryOrdered), nil},
	} {
		events := status.Decided(&reconciler.Facts{Rollouts: []reconciler.Rollout{before}}, &reconciler.Plan{Facts: reconciler.Facts{Rollouts: []reconciler.Rollout{c.after}}}, time.Time{})
		var got []string
		for _, e := range events {
			got = append(got, e.Text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What a step's own container does is told of the step: the instance that it is
// about runs on.
func TestHappened_NamesSteps(t *testing.T) {
	slot := schema.Slot{Workload: "shop/db", Index: 1}
	facts := reconciler.Facts{Nodes: []reconciler.NodeFact{{Name: "n2", Assignment: nodes.Assignment{Orders: []nodes.Order{
		{ID: "shop/db.1@a", Slot: slot}, {ID: "shop/db.1@s", Slot: slot, Step: &nodes.Step{Name: "after lag of shop/db.1"}}}}}}}
	snap := func(phases ...nodes.Phase) nodes.Snapshot {
		r := nodes.Report{Node: nodes.Node{Name: "n2"}}
		for i, id := range []string{"shop/db.1@a", "shop/db.1@s"}[:len(phases)] {
			r.Instances = append(r.Instances, nodes.Instance{ID: id, Slot: slot, Phase: phases[i]})
		}
		return nodes.Snapshot{Nodes: []nodes.Seen{{Report: r}}}
	}
	running, stopped, gone := snap(nodes.Running, nodes.Running), snap(nodes.Running, nodes.Stopped), snap(nodes.Running)
	var got []string
	for _, e := range append(status.Happened(&facts, running, stopped, time.Time{}), status.Happened(&facts, stopped, gone, time.Time{})...) {
		got = append(got, e.Text)
	}
	if want := []string{"shop/db.1: step after lag of shop/db.1 on n2 is stopped", "shop/db.1: step after lag of shop/db.1 on n2 is gone"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
