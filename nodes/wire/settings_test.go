package wire

import (
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/roster"
	"github.com/bayplan/bayplan/schema"
)

// settledMachine takes settings, and notes in which order what came.
type settledMachine struct {
	*machine
	came chan string
}

func (m *settledMachine) Settle(s nodes.Settings) {
	text := "none"
	for _, r := range s.Registries {
		text = r.Name
	}
	m.came <- text
}

func (m *settledMachine) Assign(a nodes.Assignment) error {
	m.came <- "assignment"
	return m.machine.Assign(a)
}

func TestSettings_ComeBeforeTheAssignmentAndAnew(t *testing.T) {
	c := newCluster(t)
	c.roster.Settle(nodes.Settings{Registries: []schema.Registry{{Name: "a.example"}}})
	c.roster.Assign(nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 1, Serial: 1}})
	m := &settledMachine{newMachine("n1"), make(chan string, 10)}
	c.runs(c.client(c.join("n1")), m)
	for _, want := range []string{"a.example", "assignment"} {
		if got := recv(t, m.came, want); got != want {
			t.Errorf("%s came before %s", got, want)
		}
	}
	m.next(t)
	c.roster.Settle(nodes.Settings{})
	if got := recv(t, m.came, "the end of the settings"); got != "none" {
		t.Errorf("got %s", got)
	}
}

// I37: an agent that knows no settings goes without, and lives on.
func TestSettings_OfAnOldAgentOrServer(t *testing.T) {
	c := newCluster(t)
	c.roster.Settle(nodes.Settings{Registries: []schema.Registry{{Name: "a.example"}}})
	m := &settledMachine{newMachine("n1"), make(chan string, 10)}
	c.runs(c.client(c.join("n1"), func(cfg *ClientConfig) { cfg.plain = true }), m)
	c.see("n1 reports", func(s *nodes.Snapshot) bool { return s.Node("n1") != nil })
	c.roster.Assign(nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 1, Serial: 1}})
	if got := recv(t, m.came, "the assignment"); got != "assignment" {
		t.Errorf("got %s", got)
	}
}

var _ Roster = (*roster.Roster)(nil)
