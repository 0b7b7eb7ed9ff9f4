package dev

import (
	"testing"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

func TestSettled_NeedsAnEndAndForAGoodOneEverySlot(t *testing.T) {
	up := []status.Workload{{Name: "hello/web", Desired: 3, Healthy: 3, Updated: 3}}
	missing := []status.Workload{{Name: "hello/web", Desired: 3, Healthy: 2, Updated: 3}}
	rev := func(commit string, o reconciler.Outcome, reason string) status.Revision {
		return status.Revision{Commit: commit, Outcome: o, Reason: reason}
	}
	for name, c := range map[string]struct {
		s          status.Status
		outcome    string
		good, done bool
	}{
		"nothing seen yet": {status.Status{}, "", false, false},
		"another commit":   {status.Status{Revision: rev("b", reconciler.Applied, ""), Workloads: up}, "", false, false},
		"under way":        {status.Status{Revision: rev("a", reconciler.Progressing, ""), Workloads: up}, "", false, false},
		"applied":          {status.Status{Revision: rev("a", reconciler.Applied, ""), Workloads: up}, "commit a Applied, 3 of 3 slots healthy", true, true},
		"applied before":   {status.Status{Revision: rev("a", reconciler.Applied, ""), Workloads: missing}, "", false, false},
		"rolled back":      {status.Status{Revision: rev("a", reconciler.RolledBack, "never healthy"), Workloads: missing}, "commit a RolledBack: never healthy", false, true},
		"overtaken": {status.Status{Revision: rev("b", reconciler.Progressing, ""), History: []status.Revision{rev("a", reconciler.Superseded, "")}},
			"commit a Superseded", false, true},
	} {
		outcome, good, done := settled(&c.s, "a")
		if outcome != c.outcome || good != c.good || done != c.done {
			t.Errorf("%s: %q %v %v", name, outcome, good, done)
		}
	}
}
