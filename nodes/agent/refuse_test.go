package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// policy starts the agent anew with rules of the machine's operator.
func (m *machine) policy(rules string) {
	m.t.Helper()
	p, err := schema.ReadMachinePolicy("/etc/policy", []byte(rules))
	if err != nil {
		m.t.Fatal(err)
	}
	m.stop()
	m.cfg.Policy = &p
	m.start()
}

// What the machine's policy refuses is not started, whatever the server orders: it
// fails with the rule, and again later; what the policy allows runs beside it. The
// node tells of its policy.
func TestAgent_RefusesWhatTheMachineDoes(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.policy("teams shop/ # and no others\n")
		m.assign("t/web.0@a", "shop/web.0@a")
		if f := m.wantFailure("t/web.0@a", nodes.Refused); f.Text != "refused by this machine's policy /etc/policy:1: workloads of teams under shop/ only" {
			t.Errorf("it says %s", f.Text)
		}
		m.wantPhase("shop/web.0@a", nodes.Running)
		m.pass(time.Minute)
		if f := m.wantFailure("t/web.0@a", nodes.Refused); f.Count < 5 {
			t.Errorf("in a minute it was tried %d times", f.Count)
		}
		r := m.agent.Report()
		if got := r.Node.Attributes[schema.PolicyAttribute]; got != "/etc/policy; 1 teams shop/" {
			t.Errorf("the node tells of %q", got)
		}
		m.policy("teams shop/ t/\n")
		m.pass(time.Minute)
		m.wantPhase("t/web.0@a", nodes.Running)
	})
}

// I4: what runs goes on under a policy that would refuse it, until it ends.
func TestAgent_APolicyStopsNothing(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign("t/web.0@a")
		was := m.wantPhase("t/web.0@a", nodes.Running)
		m.policy("registries registry.example\n")
		m.pass(time.Minute)
		if is := m.wantPhase("t/web.0@a", nodes.Running); is.Container != was.Container || is.Failure != nil {
			t.Errorf("it is another container: %+v", is)
		}
		m.Kill("t/web.0@a", 1)
		m.pass(time.Minute)
		if f := m.wantFailure("t/web.0@a", nodes.Refused); !strings.HasSuffix(f.Text, "images and artifacts from registry.example only, got docker.io/library/web") {
			t.Errorf("it says %s", f.Text)
		}
	})
}
