package reconciler_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// I36: a drain ends though the server is restarted between every two steps, and
// moves each slot once.
func TestReconcile_DrainGoesOnAcrossRestarts(t *testing.T) {
	f := newFleet(t)
	for _, name := range []string{"a", "b", "c"} {
		f.add(name, "z")
	}
	ws := []schema.Workload{parseWorkload(t, []string{"ops/log", "kind=daemon"}), parseWorkload(t, []string{"shop/web", "replicas=4", "check=/up"})}
	f.push(ws, []schema.Team{{Name: "ops"}, {Name: "shop"}})
	for range 20 {
		f.round(5 * time.Second)
	}
	if !f.wish(reconciler.Wish{Verb: reconciler.DrainNode, Of: "a", Reason: "disk"}) {
		t.Fatal("refused")
	}
	for range 40 {
		f.restartAt()
		for _, m := range f.machines {
			f.hear(m)
		}
		f.pass()
		f.round(5 * time.Second)
	}
	if c := f.facts.Cordons; len(c) != 1 || c[0].Drained.IsZero() {
		t.Fatalf("not drained: %s; told %s", encode(t, c), encode(t, f.plan.Blocked))
	}
	live := f.live(&f.facts)
	for i := range 4 {
		if vs := live[schema.Slot{Workload: "shop/web", Index: i}]; len(vs) != 1 || !vs[0].Serves || vs[0].Node.Name == "a" {
			t.Errorf("shop/web.%d: %d live", i, len(vs))
		}
	}
}

// A hold, a pause and what they keep back stand through a restart.
func TestReconcile_WishesGoOnAcrossRestarts(t *testing.T) {
	f := rolledTo(t, "replicas=3") // a rollout is under way
	name := f.facts.Rollouts[0].Workload
	if !f.wish(reconciler.Wish{Verb: reconciler.PauseRollout, Of: name, Reason: "errors"}) {
		t.Fatal("refused")
	}
	target := f.facts.Rollouts[0].Target
	was := 0
	for i := range 60 {
		f.restartAt()
		for _, m := range f.machines {
			f.hear(m)
		}
		f.pass()
		f.round(30 * time.Second)
		if n := f.ordered(target); i > 3 && n != was {
			t.Fatalf("%d are on the new version, %d were: a paused rollout went on", n, was)
		} else {
			was = n
		}
	}
	if r := f.facts.Rollouts[0]; r.Stage != reconciler.Rolling || r.Paused == nil || f.commit().Outcome != reconciler.Progressing {
		t.Fatalf("after half an hour it is %s: %s", r.Stage, r.Reason)
	}
	if !f.wish(reconciler.Wish{Verb: reconciler.ResumeRollout, Of: name}) {
		t.Fatal("refused")
	}
	f.rounds(60)
	if c := f.commit(); c.Outcome != reconciler.Applied || f.ordered(target) != 3 {
		t.Errorf("%s: %s", c.Outcome, c.Reason)
	}
	if ends := f.facts.EndsOf(name); len(ends) == 0 || !slices.ContainsFunc(ends, func(e reconciler.End) bool { return e.To == target && e.Outcome == reconciler.Applied }) {
		t.Errorf("its history: %s", encode(t, ends))
	}
}
