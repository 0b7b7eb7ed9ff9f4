package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
)

// I22, I40: after a restart of the server what it has not heard of is neither
// there nor gone, until its node has been silent for long.
func TestOf_UnknownIsNotAbsent(t *testing.T) {
	w := newWorld("n1", "n2")
	w.push("c1", web("shop/web", 3))
	w.settle()
	all := w.snap
	state := func(what, state, reason string, running, unknown, problems int) {
		t.Helper()
		w.pass()
		s := w.of()
		x := s.Workloads[0]
		if x.State != state || !strings.Contains(x.Reason, reason) || x.Running != running || x.Healthy != running || x.Unknown != unknown || len(s.Problems) != problems {
			t.Errorf("%s: %s (%s), %d running, %d healthy, %d unknown; problems %+v", what, x.State, x.Reason, x.Running, x.Healthy, x.Unknown, s.Problems)
		}
	}
	state("before", "running", "", 3, 0, 0)
	w.now = w.now.Add(time.Hour)
	w.started, w.snap = w.now, nodes.Snapshot{}
	state("started anew", "unknown", "3 of 3 slots are on nodes not heard since the server started: n1, n2", 0, 3, 0)
	if s := w.of().Workloads[0].Slots[0]; !s.Unknown || s.Health != nodes.HealthUnknown {
		t.Errorf("a slot: %+v", s)
	}
	for i := range all.Nodes {
		all.Nodes[i].At = w.now
	}
	w.snap.Nodes = all.Nodes[:1]
	there := 0
	for _, s := range w.of().Workloads[0].Slots {
		if !s.Unknown {
			there++
		}
	}
	state("one is heard", "unknown", "not heard since the server started: n2", there, 3-there, 0)
	w.now = w.now.Add(reconciler.UnreachableAfter)
	w.snap.Nodes[0].At = w.now
	state("the other is silent for long", "degraded", "slots are healthy", there, 0, 1)
	w.snap.Nodes = all.Nodes
	w.snap.Nodes[1].At = w.now
	state("it is heard", "running", "", 3, 0, 0)
}

// What is missing for certain is not covered by what is unknown, and a rollout
// tells of both.
func TestOf_UnknownBesideTrouble(t *testing.T) {
	w := newWorld("n1", "n2")
	w.push("c1", web("shop/web", 3))
	w.settle()
	all := w.snap.Nodes
	w.started, w.snap.Nodes = w.now, all[:1]
	for i := range all[0].Report.Instances {
		all[0].Report.Instances[i].Health = nodes.Unhealthy
	}
	x := w.of().Workloads[0]
	if x.State != "degraded" || !strings.Contains(x.Reason, "slots are healthy; ") || !strings.HasSuffix(x.Reason, "not heard since the server started: n2") {
		t.Errorf("%s: %s", x.State, x.Reason)
	}
	w.push("c2", web("shop/web:2", 3))
	w.pass()
	if x := w.of().Workloads[0]; x.State != "rolling" || !strings.HasSuffix(x.Reason, "not heard since the server started: n2") {
		t.Errorf("%s: %s", x.State, x.Reason)
	}
}
