package reconciler_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// A job leaves the repository in the pass that finds the port of its attempt taken
// by a program outside: the attempt is told to stop, and not ordered anew.
func TestReconcile_PortTakenAsTheJobLeaves(t *testing.T) {
	f := newFleet(t)
	f.add("n0", "a")
	f.round(time.Second)
	stays := parseWorkload(t, []string{"a/stays"})
	f.push([]schema.Workload{parseWorkload(t, []string{"a/run", "kind=job", "port=http:80"}), stays}, []schema.Team{{Name: "a"}})
	f.pass()
	m := f.machines[0]
	f.deliver(m)
	f.carryOut(m, func(string) bool { return false })
	for _, x := range m.insts {
		for _, port := range x.Ports {
			x.Failure = &nodes.Failure{Code: nodes.PortInUse, Text: "port in use", Port: port, At: f.now, Count: 1}
			m.node.BusyPorts = []int{port}
		}
	}
	f.hear(m)
	f.push([]schema.Workload{stays}, []schema.Team{{Name: "a"}})
	f.decide()
	if len(f.plan.Changes) != 1 || f.plan.Changes[0].Reason != nodes.Removed {
		t.Errorf("%s", encode(t, f.plan.Changes))
	}
}
