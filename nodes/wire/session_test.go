package wire

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

func fastBeat(c *ServerConfig) { c.Heartbeat = 10 * time.Millisecond }

func assignment(node string, epoch, serial int64) nodes.Assignment {
	w := &schema.Workload{Name: "shop/web", Kind: schema.Service, Image: "web:1"}
	v := nodes.Version{Epoch: epoch, Serial: serial}
	return nodes.Assignment{Node: node, Version: v, Orders: []nodes.Order{{
		ID: "shop/web.0@abc", Slot: schema.Slot{Workload: "shop/web"}, Digest: w.Digest(), Workload: w, Reason: nodes.Created, Since: v,
	}}}
}

func TestSession_ReportsUpAssignmentsDown(t *testing.T) {
	c := newCluster(t)
	c.roster.Assign(assignment("n1", 1, 1))
	m, _ := c.node("n1")
	if a := m.next(t); a.Version.Serial != 1 || a.Orders[0].Workload.Image != "web:1" {
		t.Fatalf("on connect came %+v", a)
	}
	m.set(instance("a", nodes.Starting), instance("b", nodes.Running))
	c.see("two instances", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 2 })
	m.set(instance("b", nodes.Stopped))
	c.see("a gone, b stopped", func(s *nodes.Snapshot) bool {
		r := s.Node("n1").Report
		return r.Instance("a") == nil && r.Instance("b").Phase == nodes.Stopped
	})
	for serial := int64(2); serial < 50; serial++ {
		c.roster.Assign(assignment("n1", 1, serial))
	}
	for got := int64(1); got != 49; {
		v := m.next(t).Version.Serial
		if v <= got {
			t.Fatalf("version %d came after %d", v, got)
		}
		got = v
	}
}

func TestSession_ServerRestartBringsFullReportAndAssignment(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	m.set(instance("a", nodes.Running))
	c.see("a", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 1 })
	run := c.server.run
	c.stop()
	c.start()
	if c.server.run == run {
		t.Fatal("two runs of the server have one name")
	}
	c.roster.Assign(assignment("n1", 2, 1))
	c.see("the full report", func(s *nodes.Snapshot) bool {
		return s.Node("n1") != nil && len(s.Node("n1").Report.Instances) == 1
	})
	if a := m.next(t); a.Version.Epoch != 2 {
		t.Errorf("after the restart came %v", a.Version)
	}
}

func TestSession_OlderEpochIsRefusedAndShown(t *testing.T) {
	c := newCluster(t, fastBeat)
	m, _ := c.node("n1")
	if err := m.Assign(assignment("n1", 7, 1)); err != nil {
		t.Fatal(err)
	}
	m.next(t)
	c.roster.Assign(assignment("n1", 6, 9))
	c.see("the refusal", func(s *nodes.Snapshot) bool { return s.Node("n1").Refusal != "" })
	s := c.roster.Snapshot()
	if why := s.Node("n1").Refusal; why != "epoch 6 is older than 7, which this node holds" {
		t.Error(why)
	}
	if got := m.Holds().Version.Epoch; got != 7 {
		t.Errorf("the node holds epoch %d", got)
	}
	c.roster.Assign(assignment("n1", 8, 1))
	c.see("the refusal gone", func(s *nodes.Snapshot) bool { return s.Node("n1").Refusal == "" })
	if a := m.next(t); a.Version.Epoch != 8 {
		t.Errorf("took over %v", a.Version)
	}
}

func TestSession_ChangeThatNobodySignalledComesWithTheHeartbeat(t *testing.T) {
	c := newCluster(t, fastBeat)
	m, _ := c.node("n1")
	m.quiet = true
	m.set(instance("a", nodes.Running))
	c.see("a", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 1 })
}

// A server that believes something else than it was sent finds out by the
// digest in the heartbeat.
func TestSession_LostChangeIsHealedByTheDigest(t *testing.T) {
	lossy := &lossyRoster{lose: make(chan *session, 1)}
	c := newCluster(t, fastBeat, func(c *ServerConfig) { c.Roster = lossy })
	m, _ := c.node("n1")
	m.set(instance("a", nodes.Running))
	c.see("a", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 1 })
	c.server.mu.Lock()
	lossy.lose <- c.server.sessions["n1"]
	c.server.mu.Unlock()
	c.log.says(t, 1, "a change was lost")
	m.set(instance("a", nodes.Running), instance("b", nodes.Running))
	c.see("a and b", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 2 })
}

func TestSession_AssignmentThatTheAgentLostIsSentAgain(t *testing.T) {
	c := newCluster(t, fastBeat)
	m, _ := c.node("n1")
	c.roster.Assign(assignment("n1", 1, 1))
	m.next(t)
	m.mu.Lock()
	m.holds = nodes.Assignment{}
	m.mu.Unlock()
	if a := m.next(t); a.Version.Serial != 1 {
		t.Errorf("sent again: %v", a.Version)
	}
}

func TestSession_NewerEndsTheOlder(t *testing.T) {
	c := newCluster(t)
	dir := c.join("n1")
	first, second := newMachine("n1"), newMachine("n1")
	stop := c.run(c.client(dir), first)
	c.see("the first", func(s *nodes.Snapshot) bool { return s.Node("n1") != nil })
	second.set(instance("b", nodes.Running))
	c.run(c.client(dir), second)
	c.see("the second", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 1 })
	c.log.says(t, 1, "a newer session of this node took over")
	stop()
}

func TestSession_MessageOverTheLimit(t *testing.T) {
	c := newCluster(t, fastBeat, func(c *ServerConfig) { c.MaxMessage = 64 << 10 })
	other, _ := c.node("n2")
	m := newMachine("n1")
	big := instance("a", nodes.Stopped)
	big.Failure = &nodes.Failure{Text: strings.Repeat("x", 100<<10)}
	m.set(big)
	k := c.client(c.join("n1"))
	c.run(k, m)
	c.log.says(t, 1, "message over the limit")
	c.log.says(t, 1, "a message is over the limit of 65536 bytes")
	c.log.says(t, 2, "no session with the server") // it keeps trying
	if !strings.Contains(k.Trouble(), "over the limit of 65536 bytes") {
		t.Errorf("the agent's trouble: %q", k.Trouble())
	}
	other.set(instance("b", nodes.Running))
	c.see("the other node goes on", func(s *nodes.Snapshot) bool { return len(s.Node("n2").Report.Instances) == 1 })
	m.set(instance("a", nodes.Stopped))
	c.see("the node is back once it says less", func(s *nodes.Snapshot) bool { return s.Node("n1") != nil })

	huge := assignment("n2", 1, 1)
	huge.Orders[0].Workload = &schema.Workload{Name: "shop/web", Image: strings.Repeat("x", 100<<10)}
	c.roster.Assign(huge)
	c.see("an Assignment over the limit is shown", func(s *nodes.Snapshot) bool {
		return strings.Contains(s.Node("n2").Refusal, "over the limit of 65536")
	})
	if !c.server.Connected("n2") {
		t.Error("the session ended of it")
	}
}

func TestSession_ReportOfAnotherNodeIsRefused(t *testing.T) {
	c := newCluster(t)
	k := c.client(c.join("n1"))
	c.run(k, newMachine("n2"))
	c.log.says(t, 1, `of node \"n2\", the certificate of \"n1\"`)
	if s := c.roster.Snapshot(); len(s.Nodes) != 0 {
		t.Errorf("the roster has %v", s.Nodes)
	}
}

func TestDisconnect_EndsTheSessionAndAdmitKeepsItOut(t *testing.T) {
	revoked := make(chan struct{})
	c := newCluster(t, func(c *ServerConfig) {
		c.Admit = func(_ context.Context, who Identity) error {
			select {
			case <-revoked:
				return errText("node " + who.Name + " was revoked")
			default:
				return nil
			}
		}
	})
	_, stop := c.node("n1")
	close(revoked)
	c.server.Disconnect("n1", "node n1 was revoked")
	c.log.says(t, 2, "was revoked")
	c.log.says(t, 1, "session refused")
	if c.server.Connected("n1") {
		t.Error("it is still connected")
	}
	stop()
}

type errText string

func (e errText) Error() string { return string(e) }

// lossyRoster makes a session forget what it was told, once, on the session's
// own goroutine.
type lossyRoster struct {
	Roster
	lose chan *session
}

func (l *lossyRoster) Heard(node string) {
	l.Roster.Heard(node)
	select {
	case e := <-l.lose:
		e.end.Report(nodes.Report{Node: nodes.Node{Name: node}, Inventory: true})
	default:
	}
}
