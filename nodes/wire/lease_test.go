package wire

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// tenantMachine notes by which marks, and with which Assignment as the newest, its
// lease is renewed.
type tenantMachine struct {
	*machine
	marks   atomic.Int64
	beats   chan struct{} // a mark was taken
	renewed chan renewal
}

type renewal struct {
	mark   agent.Mark
	newest nodes.Version
	holds  nodes.Version
}

func newTenant(name string) *tenantMachine {
	return &tenantMachine{machine: newMachine(name), beats: make(chan struct{}, 1000), renewed: make(chan renewal, 1000)}
}

func (m *tenantMachine) Mark() agent.Mark {
	m.beats <- struct{}{}
	return agent.Mark(m.marks.Add(1))
}

func (m *tenantMachine) Renew(at agent.Mark, newest nodes.Version) {
	m.renewed <- renewal{at, newest, m.Holds().Version}
}

func quick(c *ServerConfig) { c.Heartbeat = 20 * time.Millisecond }

func keepsLeases(s *nodes.Snapshot) bool {
	return s.Node("n1") != nil && s.Node("n1").Report.Node.Leases
}

// A node is answered once a decision knew that it is heard, and after all that was
// decided before (I2, I25).
func TestLease_RenewedAfterWhatWasDecided(t *testing.T) {
	c := newCluster(t, quick)
	c.roster.Decided(time.Time{})
	m := newTenant("n1")
	c.runs(c.client(c.join("n1")), m)
	c.see("n1 keeps leases", keepsLeases)
	for range 3 { // that nobody may answer
		recv(t, m.beats, "a heartbeat")
	}
	if n := len(m.renewed); n > 0 {
		t.Fatalf("%d renewals before anything was decided", n)
	}
	want := nodes.Version{Epoch: 1, Serial: 7}
	c.roster.Assign(nodes.Assignment{Node: "n1", Version: want})
	asked := agent.Mark(m.marks.Load())
	c.roster.Decided(time.Now())
	r := recv(t, m.renewed, "a renewal")
	if r.mark < asked || r.mark > agent.Mark(m.marks.Load()) || r.newest != want || r.holds != want {
		t.Errorf("%+v, asked after %d, want %v", r, asked, want)
	}
	next := recv(t, m.renewed, "the next")
	if next.mark <= r.mark {
		t.Errorf("renewed by mark %d after %d", next.mark, r.mark)
	}
}

// I37: neither side counts on what the other does not know.
func TestLease_OfAnOldAgentOrServer(t *testing.T) {
	old := func(c *ServerConfig) { quick(c); c.plain = true }
	for name, parts := range map[string]struct {
		server func(*ServerConfig)
		client func(*ClientConfig)
		beats  int // that are waited for; an old agent takes no marks
	}{
		"agent":  {quick, func(c *ClientConfig) { c.plain = true }, 0},
		"server": {old, func(*ClientConfig) {}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, parts.server)
			m := newTenant("n1")
			c.runs(c.client(c.join("n1"), parts.client), m)
			c.see("n1 reports", func(s *nodes.Snapshot) bool { return s.Node("n1") != nil })
			c.roster.Decided(time.Now())
			c.roster.Assign(nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 1, Serial: 1}})
			m.next(t)
			for range parts.beats {
				recv(t, m.beats, "a heartbeat")
			}
			s := c.roster.Snapshot()
			if s.Node("n1").Report.Node.Leases || len(m.renewed) > 0 {
				t.Errorf("leases %v, %d renewals", s.Node("n1").Report.Node.Leases, len(m.renewed))
			}
		})
	}
}
