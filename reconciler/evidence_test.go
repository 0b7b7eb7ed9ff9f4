package reconciler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// rolledTo is a fleet of three nodes that runs the workload of the line; then
// came the same line with image 2 and the first pass over it.
func rolledTo(t *testing.T, line ...string) *fleet {
	f := newFleet(t)
	for _, n := range []string{"a", "b", "c"} {
		f.add(n, "a")
		f.hear(f.machines[len(f.machines)-1])
	}
	for _, image := range []string{"image=1", "image=2"} {
		w := parseWorkload(t, append([]string{"shop/web", image}, line...))
		f.push([]schema.Workload{w}, []schema.Team{{Name: "shop"}})
		f.pass()
		if image == "image=1" {
			f.rounds(10)
		}
	}
	return f
}

// rounds are n rounds of three seconds.
func (f *fleet) rounds(n int) {
	for range n {
		f.round(3 * time.Second)
	}
}

// stops are the changes of the newest facts that end something, by slot.
func (f *fleet) stops() (all []string) {
	for i := range f.facts.Nodes {
		for _, o := range f.facts.Nodes[i].Assignment.Orders {
			if o.Stop {
				all = append(all, fmt.Sprintf("%s on %s: %s", o.Slot, f.facts.Nodes[i].Name, o.Reason))
			}
		}
	}
	return all
}

// I1, I33: an agent's restart, whose first report has no answered check, is no
// evidence that what it runs is down; nor is an engine that does not answer.
func TestReconcile_UnknownIsNotDown(t *testing.T) {
	for name, happen := range map[string]func(*fleet, *machine){
		"the agent restarts":          (*fleet).rise,
		"the engine does not answer":  func(f *fleet, m *machine) { m.blind = true },
		"both, and the link is flaky": func(f *fleet, m *machine) { f.rise(m); m.blind = true; f.now = f.now.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			f := rolledTo(t, "replicas=6", "check=/up")
			for _, m := range f.machines {
				happen(f, m)
				f.hear(m)
			}
			f.pass()
			if stops := f.stops(); len(stops) > 0 {
				t.Error("stopped on no evidence:", stops)
			}
			for _, m := range f.machines {
				m.blind = false
			}
			f.rounds(60)
			if c := f.commit(); c.Outcome != reconciler.Applied {
				t.Errorf("%s: %s", c.Outcome, c.Reason)
			}
		})
	}
}

// An old instance that shows that it is down goes at once, whatever the budget.
func TestReconcile_EvidenceOfDownIsEnough(t *testing.T) {
	for name, spoil := range map[string]func(*nodes.Instance){
		"exited":    func(x *nodes.Instance) { x.Phase, x.Health = nodes.Starting, nodes.HealthUnknown },
		"unhealthy": func(x *nodes.Instance) { x.Health = nodes.Unhealthy },
		"no answer until the healthy deadline": func(x *nodes.Instance) {
			x.Health, x.Since = nodes.HealthUnknown, x.Since.Add(-time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := rolledTo(t, "replicas=3", "check=/up")
			f.now = f.now.Add(time.Second)
			f.started = f.now.Add(-2 * time.Hour)
			for _, x := range f.machines[2].insts {
				spoil(x)
			}
			f.hear(f.machines[2])
			f.pass()
			if stops := f.stops(); len(stops) != 1 {
				t.Error("want the one that is down stopped:", stops)
			}
		})
	}
}

// A rollout does not go back since a node, whose new instance was to be
// healthy by now, cannot list what it runs.
func TestReconcile_NoInventoryFailsNoRollout(t *testing.T) {
	f := rolledTo(t, "replicas=3", "check=/up")
	f.rounds(1)
	for _, m := range f.machines {
		m.blind = true
		f.hear(m)
	}
	for range 11 { // past the healthy deadline of a minute
		f.now = f.now.Add(6 * time.Second)
		for _, m := range f.machines {
			f.hear(m)
		}
		f.pass()
	}
	if r := &f.facts.Rollouts[0]; r.Stage != reconciler.Rolling {
		t.Errorf("%s: %s", r.Stage, r.Reason)
	}
}

// A recorded instant of the future, left by a clock that was set back, moves no
// deadline.
func TestReconcile_FutureInstantsMoveNoDeadline(t *testing.T) {
	f := rolledTo(t, "replicas=1", "check=/up")
	r := f.facts.Rollouts[0]
	r.Began, r.Moved = f.now.Add(24*time.Hour), f.now.Add(24*time.Hour)
	f.facts.Rollouts = []reconciler.Rollout{r}
	for range 30 {
		f.now = f.now.Add(6 * time.Second)
		for _, m := range f.machines {
			f.hear(m)
		}
		f.pass()
	}
	if r := &f.facts.Rollouts[0]; r.Stage != reconciler.Reverted {
		t.Errorf("%s three minutes after nothing started", r.Stage)
	}
}

// I34: a canary of which nothing is known any more is looked at again when its
// rollout's time is over (pass holds each plan's Wake against that).
func TestReconcile_CanaryIsUnknownAtItsDeadline(t *testing.T) {
	f := rolledTo(t, "replicas=3", "check=/up", "canary=1/15s")
	for _, m := range f.machines {
		f.deliver(m)
		f.carryOut(m, func(string) bool { return false })
		m.blind = true
	}
	for range 30 {
		f.now = f.now.Add(5 * time.Second)
		for _, m := range f.machines {
			f.hear(m)
		}
		f.pass()
	}
	if c := f.commit(); c.Outcome == reconciler.Applied || !strings.Contains(string(encode(t, f.facts.Rollouts)), "no progress") {
		t.Errorf("%s: %s", c.Outcome, encode(t, f.facts.Rollouts))
	}
}

// I27: a node that cannot start anything is told of by its trouble.
func TestReconcile_TroubledNodeIsNamed(t *testing.T) {
	f := newFleet(t)
	f.add("n0", "a")
	f.machines[0].node.Trouble = "its disk is full"
	f.round(time.Second)
	f.push([]schema.Workload{parseWorkload(t, []string{"shop/web"})}, []schema.Team{{Name: "shop"}})
	f.pass()
	if got := string(encode(t, f.plan.Blocked)); !strings.Contains(got, "n0 is troubled: its disk is full") {
		t.Error(got)
	}
}

// I5: what has ended and is not there any more, as on a machine that was set up anew,
// is no order any more: whoever got it would begin it.
func TestReconcile_OfWhatEndedNothingIsKeptThatIsGone(t *testing.T) {
	f := newFleet(t)
	f.add("a", "a")
	f.hear(f.machines[0])
	f.push([]schema.Workload{parseWorkload(t, []string{"shop/mail", "kind=job"})}, []schema.Team{{Name: "shop"}})
	f.pass()
	f.rounds(5)
	m := f.machines[0]
	if j := f.facts.Job("shop/mail"); j == nil || j.Runs[0].Completed() != 1 || len(f.facts.Nodes[0].Assignment.Orders) != 1 {
		t.Fatalf("the job is to have ended, and its container to be kept: %s", encode(t, f.facts.Nodes[0].Assignment))
	}
	m.blind = true
	f.hear(m)
	f.pass()
	if n := len(f.facts.Nodes[0].Assignment.Orders); n != 1 {
		t.Errorf("%d orders by the word of an engine that does not answer", n)
	}
	m.insts, m.held = map[string]*nodes.Instance{}, nodes.Assignment{}
	f.hear(m)
	f.pass()
	if orders := f.facts.Nodes[0].Assignment.Orders; len(orders) > 0 {
		t.Errorf("still ordered: %s", encode(t, orders))
	}
}
