package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Who asks for a rollout is told where the traffic goes, by whose word, until when
// it could go back, and what failed with its last lines, none of which can draw on
// a terminal by itself.
func TestRollout_TellsOfSetsAndFailures(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	x := status.Workload{Name: "shop/web", Desired: 3, Serving: "5555666677778888",
		Rollout: &status.Rollout{Stage: reconciler.Keeping, To: "5555666677778888", Began: now.Add(-time.Minute), Done: 3},
		Proof: &status.Proof{Kept: now.Add(10 * time.Minute), Promoted: &reconciler.Said{Actor: "ann", Reason: "fine", At: now},
			Failed: reconciler.Failures{{Slot: schema.Slot{Workload: "shop/web"}, Node: "n1", Text: "shop/web.0 on n1: exited with code 3",
				Failure: &nodes.Failure{ExitCode: 3, Log: "panic: \x1b[31mno database\nbye"}}}}}
	var b strings.Builder
	view.Rollout(&b, &x, view.Look{Now: now})
	for _, want := range []string{"to 555566667777; the old set is kept until 2026-01-02 03:14:05", "by ann: fine", "shop/web.0 on n1: exited with code 3\n    | panic: ", "no database\n    | bye\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("an escape of the log's reached the terminal")
	}
}

// The slots of a rollout that went back are told by where they are.
func TestRollout_TellsWhereItWentBackTo(t *testing.T) {
	x := status.Workload{Name: "shop/web", Desired: 3, Rollout: &status.Rollout{Stage: reconciler.Reverted, From: "1111222233334444", To: "5555666677778888", Done: 3}}
	var b strings.Builder
	view.Rollout(&b, &x, view.Look{})
	if !strings.Contains(b.String(), "\n  3 of 3 slots are back on 111122223333, 0 moving, 0 left\n") {
		t.Error(b.String())
	}
}

// The history of a workload has the causes of what went back; that of all has
// them where it is wide.
func TestHistory_HasCauses(t *testing.T) {
	cause := reconciler.Cause{Text: "shop/web.0 on n1: exited with code 3", Failure: &nodes.Failure{Log: "no database"}}
	h := status.History{Commits: []status.Revision{{Commit: "0123456789abcdef", Outcome: reconciler.RolledBack, Causes: []reconciler.Cause{cause}}}}
	for _, x := range []struct {
		workload string
		wide     bool
	}{{"", false}, {"", true}, {"shop/web", false}} {
		var b strings.Builder
		h.Workload = x.workload
		view.History(&b, &h, view.Look{Wide: x.wide})
		if got := strings.Contains(b.String(), "| no database"); got != (x.wide || x.workload != "") {
			t.Errorf("%+v: %s", x, b.String())
		}
	}
}
