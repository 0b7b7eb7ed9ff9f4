package status_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// wish puts an operator's wish to the world, and decides.
func (w *world) wish(t *testing.T, verb reconciler.Verb, of string) (events []status.Event) {
	t.Helper()
	facts, _, err := reconciler.Grant(w.facts, reconciler.Wish{Verb: verb, Of: of, Actor: "ann", Reason: "looking", At: w.now})
	if err != nil {
		t.Fatal(err)
	}
	w.facts = facts
	return w.pass()
}

// What operators stopped is told: in the workload's state, its rollout, a
// preview, and once it is over in the record.
func TestOf_TellsOfHoldsAndPauses(t *testing.T) {
	w := running()
	name := w.facts.Rollouts[0].Workload
	w.push("5555555555555555", web("hello:2", 2))
	w.pass()
	w.wish(t, reconciler.PauseRollout, name)
	x := w.of().Workloads[0]
	if x.State != "paused" || !strings.Contains(x.Reason, "by ann: looking") || x.Rollout.Paused == nil || !x.Rollout.Deadline.IsZero() {
		t.Errorf("paused: %+v %+v", x, x.Rollout)
	}
	w.wish(t, reconciler.ResumeRollout, name)
	if x := w.of().Workloads[0]; x.State != "rolling" || x.Rollout.Deadline.IsZero() || x.Rollout.Done+x.Rollout.Moving+x.Rollout.Left != 2 {
		t.Errorf("resumed: %+v %+v", x, x.Rollout)
	}
	w.wish(t, reconciler.HoldWorkload, name)
	if x := w.of().Workloads[0]; x.State != "held" || x.Rollout.Hold == nil || x.Rollout.Waits == "" || x.Rollout.Next != "bayplan release "+name {
		t.Errorf("held: %+v %+v", x, x.Rollout)
	}
	w.push("6666666666666666", web("hello:3", 2))
	p := w.preview()
	if len(p.Changes) != 1 || len(p.Changes[0].Warnings) != 1 || !strings.Contains(p.Changes[0].Warnings[0], "is held by ann until") {
		t.Errorf("a preview: %+v", p.Changes)
	}
	for _, e := range w.wish(t, reconciler.ReleaseWorkload, name) {
		if e.Text == name+" is held no more" {
			return
		}
	}
	t.Error("that the hold is over is not in the record")
}

// A node that operators closed is no problem, and its drain is told from its
// beginning to its end.
func TestOf_TellsOfADrain(t *testing.T) {
	w := running()
	node := w.facts.Nodes[0].Name
	w.wish(t, reconciler.CordonNode, node)
	if n := w.of().Nodes[0]; n.State != "cordoned" || n.Cordon == nil || n.Reason != "by ann: looking" {
		t.Errorf("%+v", n)
	}
	w.wish(t, reconciler.DrainNode, node)
	if s := w.of(); s.Nodes[0].State != "draining" || !strings.Contains(s.Nodes[0].Reason, "left, by ann") {
		t.Errorf("%+v", s.Nodes[0])
	}
	var events []status.Event
	for range 30 {
		w.now = w.now.Add(5 * time.Second)
		w.run()
		events = append(events, w.pass()...)
	}
	s := w.of()
	if s.Nodes[0].State != "drained" {
		t.Fatalf("%+v %+v", s.Nodes[0], s.Problems)
	}
	for _, p := range s.Problems {
		if p.Subject == node {
			t.Errorf("a drained node is told as a problem: %+v", p)
		}
	}
	for _, e := range events {
		if e.Kind == "node" && e.Node == node && strings.Contains(e.Text, "is drained") {
			return
		}
	}
	t.Error("its end is not in the record")
}

// A workload that went back and is restarted tells what it is restarted in, and
// what stays in quarantine; in the end it is where it was.
func TestOf_TellsOfARestartOfWhatWentBack(t *testing.T) {
	w := running()
	name := w.facts.Rollouts[0].Workload
	good := w.facts.Rollouts[0].Target
	w.push("5555555555555555", web("hello:2", 2))
	w.pass()
	bad := w.facts.Rollouts[0].Target
	w.wish(t, reconciler.AbortWorkload, name)
	for range 5 {
		w.run()
		w.pass()
	}
	if x := w.of().Workloads[0]; x.State != "reverted" || x.Rollout.Quarantined != "" {
		t.Fatalf("%+v %+v", x, x.Rollout)
	}
	w.wish(t, reconciler.RestartWorkload, name)
	x := w.of().Workloads[0]
	if r := x.Rollout; r.Quarantined != bad || r.From != good || r.To == good || r.To == bad || r.Restarts != 1 || r.Stage != reconciler.Rolling {
		t.Fatalf("%+v %+v", x, r)
	}
	var told []string
	for range 10 {
		w.run()
		for _, e := range w.pass() {
			told = append(told, e.Text)
		}
	}
	if y := w.of().Workloads[0]; y.State != "reverted" || y.Rollout.From != x.Rollout.To || y.Rollout.To != bad {
		t.Errorf("%+v %+v", y, y.Rollout)
	}
	if want := name + " is on " + x.Rollout.To.Short() + "; " + bad.Short() + " stays in quarantine"; !slices.Contains(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
