package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// What goes back to fewer slots speaks of those: none is left to be moved, and
// one that only the version asked for has is not wanted.
func TestOf_BackToFewerSlots(t *testing.T) {
	w := running()
	name := w.facts.Rollouts[0].Workload
	had := w.facts.Rollouts[0].Good.Replicas
	w.push("5555555555555555", web("hello:2", had+1))
	w.pass()
	w.run()
	w.wish(t, reconciler.AbortWorkload, name)
	w.run()
	w.settle()
	s := w.of()
	x := s.Workloads[0]
	if x.State != "reverted" || x.Desired != had || x.Rollout.Left != 0 || !strings.Contains(x.Reason, "the good version has 2 of the 3 slots asked for") {
		t.Errorf("%+v %+v", x, x.Rollout)
	}
	slot := schema.Slot{Workload: name, Index: had}
	e, err := status.Explain(&s, reconciler.Places(w.input(), slot), slot, nil)
	if err != nil || len(e.Lines) > 0 && strings.Contains(strings.Join(e.Lines, "\n"), "can take it") || !strings.Contains(e.Text, "is not wanted: hello/web has 2 slots; it is reverted") {
		t.Errorf("%v %+v", err, e)
	}
}

// No deadline runs while a rollout waits to be promoted.
func TestOf_NoDeadlineBeforeAPromotion(t *testing.T) {
	w := running()
	next := web("hello:2", 2)
	next.Update.Strategy = schema.Canary
	next.Update.Canary = []schema.CanaryStep{{Count: 1, Approve: true, Within: schema.Duration(time.Hour)}}
	w.push("5555555555555555", next)
	w.settle()
	w.now = w.now.Add(time.Minute)
	w.run()
	w.settle()
	if r := w.of().Workloads[0].Rollout; !strings.Contains(r.Waits, "waits to be promoted") || !r.Deadline.IsZero() {
		t.Errorf("%+v", r)
	}
}
