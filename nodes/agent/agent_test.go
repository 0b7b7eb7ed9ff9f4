package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/testenv/fake"
)

func TestAgent_RunsUpdatesAndRemoves(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:b")
		m.assign("t/web.0@a", "t/web.1@a")
		m.wantPhase("t/web.0@a", nodes.Running)
		i := m.wantPhase("t/web.1@a", nodes.Running)
		if !i.Available() || i.Container == "" || i.Restarts != 0 || i.Failure != nil {
			t.Fatalf("not as a fresh instance is: %+v", i)
		}
		m.assign("t/web.0@a stop", "t/web.0@b", "t/web.1@a")
		m.wantPhase("t/web.0@b", nodes.Running)
		m.pass(time.Second)
		m.wantGone("t/web.0@a")
		if r := m.agent.Report(); r.Seen != (nodes.Version{Epoch: 1, Serial: 2}) || len(r.Instances) != 2 {
			t.Fatalf("report: %+v", r)
		}
	})
}

func TestAgent_TellsChangesAtOnce(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:slow", fake.Program{Pulls: time.Second, Starts: time.Second, Boots: 30 * time.Millisecond})
		m.assign("t/web.0@slow ports=http:20000 health=http")
		select {
		case <-m.agent.Changed():
		default:
			t.Fatal("nothing changed")
		}
		m.pass(2 * time.Second)
		i := m.wantPhase("t/web.0@slow", nodes.Running)
		if late := i.Since.Sub(i.Started); late > 5*time.Millisecond {
			t.Errorf("running was told %s late", late)
		}
		m.pass(100 * time.Millisecond)
		i = m.instance("t/web.0@slow")
		if late := i.Since.Sub(i.Started); i.Health != nodes.Healthy || late > 100*time.Millisecond {
			t.Errorf("%s after %s", i.Health, late)
		}
	})
}

func TestAgent_CrashLoopBacksOffAcrossRestarts(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:bad", fake.Program{Runs: 10 * time.Millisecond, Code: 7})
		m.assign("t/bad.0@bad", "t/good.0@a")
		m.pass(10 * time.Second) // 0 1 3 7, next at 15
		if i := m.instance("t/bad.0@bad"); i.Restarts != 3 {
			t.Fatalf("%d restarts", i.Restarts)
		}
		f := m.wantFailure("t/bad.0@bad", nodes.Exited)
		if f.ExitCode != 7 || f.Count != 4 {
			t.Fatalf("failure: %+v", f)
		}
		starts := m.Calls("start")
		m.stop()
		m.start()
		m.pass(4 * time.Second)
		if n := m.Calls("start"); n != starts {
			t.Fatalf("the back-off was forgotten: %d starts after %d", n, starts)
		}
		m.pass(4 * time.Minute)
		if n := m.Calls("start") - starts; n < 28 || n > 31 {
			t.Fatalf("%d starts in 4 minutes at one in 8 s", n)
		}
		if i := m.wantPhase("t/good.0@a", nodes.Running); i.Restarts != 0 {
			t.Fatalf("another was touched: %+v", i)
		}
	})
}

func TestAgent_AdoptsWhatRuns(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign("t/web.0@a ports=http:20000 health=http", "t/web.1@a")
		before, _ := m.Container("t/web.0@a")
		m.stop()
		if _, ok := m.Container("t/web.1@a"); !ok {
			t.Fatal("the end of the agent ended a container")
		}
		m.pass(time.Hour)
		m.Kill("t/web.1@a", 3)
		m.start()
		m.pass(50 * time.Millisecond)
		i := m.wantPhase("t/web.0@a", nodes.Running)
		after, _ := m.Container("t/web.0@a")
		if i.Restarts != 0 || i.Health != nodes.Healthy || before.Container != after.Container || !before.Started.Equal(after.Started) {
			t.Fatalf("I10: %+v, %+v became %+v", i, before, after)
		}
		m.pass(time.Second)
		if i := m.wantPhase("t/web.1@a", nodes.Running); i.Restarts != 1 {
			t.Fatalf("what ended unseen: %+v", i)
		}
		if n := m.Calls("start"); n != 3 {
			t.Fatalf("%d starts", n)
		}
	})
}

// TestAgent_KilledAtAnyMoment takes the folder as it is at many moments of a
// node's life, and starts another agent with it on the same engine.
func TestAgent_KilledAtAnyMoment(t *testing.T) {
	for _, at := range []time.Duration{0, time.Millisecond, 60 * time.Millisecond, 200 * time.Millisecond, time.Second, 3 * time.Second} {
		t.Run(at.String(), func(t *testing.T) {
			onMachine(t, func(m *machine) {
				m.Image("web:slow", fake.Program{Pulls: 50 * time.Millisecond, Starts: 100 * time.Millisecond, Drains: time.Second})
				m.assign("t/web.0@slow", "t/web.1@slow")
				m.pass(at)
				copied := t.TempDir()
				if err := os.CopyFS(copied, os.DirFS(m.cfg.Dir)); err != nil {
					t.Fatal(err)
				}
				m.stop()
				m.cfg.Dir = copied
				m.start()
				m.pass(time.Minute)
				for _, id := range []string{"t/web.0@slow", "t/web.1@slow"} {
					if i := m.wantPhase(id, nodes.Running); i.Restarts != 0 || i.Failure != nil {
						t.Errorf("%s: %+v", id, i)
					}
				}
				if n := len(m.cfg.Runtime.(*fake.Runtime).Slots()); n != 2 {
					t.Errorf("%d containers", n)
				}
			})
		})
	}
}

func TestAgent_LeavesAloneWhatNoOrderNames(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign("t/web.0@a", "t/web.1@a")
		m.assign("t/web.1@a")
		m.pass(time.Hour)
		if i := m.wantPhase("t/web.0@a", nodes.Running); i.Available() {
			t.Errorf("nobody checks it, and yet: %+v", i)
		}
		if n := m.Calls("stop"); n != 0 {
			t.Fatalf("I4: %d stops", n)
		}
	})
}

func TestAgent_RefusesWhatItMustNotObey(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.serial = 10
		m.assign("t/web.0@a")
		good := m.agent.Holds()
		for want, spoil := range map[string]func(*nodes.Assignment){
			"former leader": func(a *nodes.Assignment) { a.Version = nodes.Version{Epoch: 0, Serial: 99} },
			"is older than": func(a *nodes.Assignment) { a.Version.Serial = 1 },
			"reached node":  func(a *nodes.Assignment) { a.Node = "n2" },
			"came twice":    func(a *nodes.Assignment) { a.Version = good.Version; a.Orders[0].Stop = true },
			"not sorted":    func(a *nodes.Assignment) { a.Orders = append(a.Orders, a.Orders[0]) },
			"no workload":   func(a *nodes.Assignment) { a.Orders[0].Workload = nil },
			"is not named":  func(a *nodes.Assignment) { a.Orders[0].ID = "x" },
			"for workload":  func(a *nodes.Assignment) { a.Orders[0].Slot.Workload, a.Orders[0].ID = "t/x", "t/x.0@a" },
		} {
			bad := m.assignment("t/web.0@a")
			spoil(&bad)
			if err := m.agent.Assign(bad); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q, got %v", want, err)
			}
		}
		if err := m.agent.Assign(good); err != nil {
			t.Errorf("the same again: %v", err)
		}
		if got := m.agent.Holds(); got.Version != good.Version {
			t.Errorf("holds %v", got.Version)
		}
	})
}

func TestAgent_DiskFullKeepsRunningAndRetries(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign("t/web.0@a")
		m.pass(time.Second)
		inTheWay := filepath.Join(m.cfg.Dir, "state.json.tmp")
		if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := m.agent.Assign(m.assignment("t/web.0@a", "t/web.1@a")); err == nil {
			t.Fatal("accepted what it cannot remember")
		}
		m.pass(time.Second)
		r := m.agent.Report()
		if r.Node.Trouble == "" || r.Seen.Serial != 1 || len(r.Instances) != 1 {
			t.Fatalf("report: %+v", r)
		}
		if err := os.RemoveAll(inTheWay); err != nil {
			t.Fatal(err)
		}
		m.pass(10 * time.Second)
		m.wantPhase("t/web.1@a", nodes.Running)
		if r := m.agent.Report(); r.Node.Trouble != "" || r.Seen.Serial != 2 {
			t.Fatalf("report: %+v", r)
		}
	})
}

func TestNew_OneAgentForAFolder(t *testing.T) {
	onMachine(t, func(m *machine) {
		if _, err := agent.New(m.cfg); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("a second agent: %v", err)
		}
		m.assign("t/web.0@a")
		m.stop()
		m.cfg.Node = "n2"
		if _, err := agent.New(m.cfg); err == nil || !strings.Contains(err.Error(), "belongs to node n1") {
			t.Errorf("another node: %v", err)
		}
		m.cfg.Node = "n1"
		if err := os.WriteFile(filepath.Join(m.cfg.Dir, "state.json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := agent.New(m.cfg); err == nil || !strings.Contains(err.Error(), "move the file away") {
			t.Errorf("a torn file: %v", err)
		}
		os.Remove(filepath.Join(m.cfg.Dir, "state.json"))
		m.start()
		synctest.Wait()
		m.wantPhase("t/web.0@a", nodes.Running)
	})
}
