package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/testenv/fake"
)

const slot = "t/web.0@a"

// runs are the engine's containers of the slot that run, by what they are.
func (m *machine) runs() string {
	m.t.Helper()
	all, err := m.cfg.Runtime.List(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	var names []string
	for _, s := range all {
		if s.State == agent.StateRunning {
			names = append(names, strings.TrimPrefix(s.ID, slot))
		}
	}
	return strings.Join(names, " ")
}

func (m *machine) wantRuns(want string) {
	m.t.Helper()
	if got := m.runs(); got != want {
		m.t.Fatalf("%q runs, want %q", got, want)
	}
}

// group is a machine that knows the images of a workload with every kind of
// part, and the order for it.
func (m *machine) group() string {
	m.Image("init:one", fake.Program{Runs: 2 * time.Second})
	m.Image("init:two", fake.Program{Runs: 3 * time.Second, Lines: []string{"two"}})
	m.Image("side:proxy", fake.Program{Lines: []string{"proxy"}})
	m.Image("side:log")
	m.Image("post:leave", fake.Program{Runs: 4 * time.Second})
	return slot + " init=one,two side=proxy,log post=leave ports=http:20000 health=http interval=1s"
}

func TestGroup_OneLifeFromInitToPostStop(t *testing.T) {
	onMachine(t, func(m *machine) {
		order := m.group()
		m.assign(order)
		m.pass(time.Second)
		m.wantRuns("+init.one")
		m.wantPhase(slot, nodes.Starting)
		m.pass(2 * time.Second)
		m.wantRuns("+init.two")
		m.pass(3 * time.Second)
		m.wantRuns("+main.2 +side.log +side.proxy")
		i := m.wantPhase(slot, nodes.Running)
		if i.Restarts != 0 || i.Failure != nil || i.Ports["http"] != 20000 || i.Health != nodes.Healthy {
			t.Fatalf("the group is %+v", i)
		}
		if all := m.agent.Report().Instances; len(all) != 1 {
			t.Fatalf("a group is one instance; reported are %+v", all)
		}
		m.assign(order + " stop")
		m.pass(time.Second)
		m.wantRuns("+post.leave")
		m.pass(5 * time.Second)
		m.wantGone(slot)
		if all, err := m.cfg.Runtime.List(m.t.Context()); err != nil || len(all) > 0 {
			t.Fatalf("left over: %+v, %v", all, err)
		}
		if n := m.Calls("start"); n != 6 {
			t.Errorf("%d starts, want one of each container", n)
		}
	})
}

// Whoever ends that is not to end takes all down, and the next life begins with
// the first init.
func TestGroup_OneFate(t *testing.T) {
	for _, who := range []string{"+main.2", "+side.log"} {
		onMachine(t, func(m *machine) {
			m.assign(m.group())
			m.pass(6 * time.Second)
			m.wantRuns("+main.2 +side.log +side.proxy")
			m.Kill(slot+who, 3)
			m.pass(500 * time.Millisecond)
			m.wantRuns("")
			f := m.wantFailure(slot, nodes.Exited)
			if f.ExitCode != 3 || strings.Contains(who, "side") != strings.Contains(f.Text, "sidecar log") {
				t.Errorf("after the end of %s: %+v", who, f)
			}
			m.pass(time.Second)
			m.wantRuns("+init.one")
			m.pass(6 * time.Second)
			m.wantRuns("+main.2 +side.log +side.proxy")
			if i := m.wantPhase(slot, nodes.Running); i.Restarts != 1 {
				t.Errorf("%d restarts", i.Restarts)
			}
		})
	}
}

func TestGroup_InitThatFailsIsTriedAgain(t *testing.T) {
	onMachine(t, func(m *machine) {
		order := m.group()
		m.Image("init:two", fake.Program{Runs: time.Second, Code: 9}, fake.Program{Runs: time.Second})
		m.assign(order)
		m.pass(3500 * time.Millisecond)
		m.wantRuns("")
		if f := m.wantFailure(slot, nodes.Exited); f.ExitCode != 9 || !strings.Contains(f.Text, "init two") {
			t.Errorf("failure: %+v", f)
		}
		m.pass(time.Second)
		m.wantRuns("+init.one") // all over again
		m.pass(3 * time.Second)
		m.wantRuns("+main.2 +side.log +side.proxy")
	})
}

// A job's sidecars end with it, and what has completed stays so.
func TestGroup_SidecarsEndWithTheJob(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:a", fake.Program{Runs: 3 * time.Second})
		m.Image("side:proxy")
		m.assign(slot + " side=proxy policy=never")
		m.pass(time.Second)
		m.wantRuns("+main.1 +side.proxy")
		m.pass(3 * time.Second)
		m.wantRuns("")
		m.pass(time.Minute)
		i := m.wantPhase(slot, nodes.Stopped)
		if i.Failure == nil || i.Failure.ExitCode != 0 || i.Restarts != 0 {
			t.Errorf("the job ended as %+v", i)
		}
	})
}

// An agent that starts anew at any moment finds the group as it is, and goes on.
func TestGroup_AgentRestartsAtAnyMoment(t *testing.T) {
	for at := time.Duration(0); at < 8*time.Second; at += 500 * time.Millisecond {
		onMachine(t, func(m *machine) {
			order := m.group()
			m.assign(order)
			m.pass(at)
			m.stop()
			m.start()
			m.pass(10 * time.Second)
			m.wantRuns("+main.2 +side.log +side.proxy")
			if i := m.wantPhase(slot, nodes.Running); i.Restarts != 0 || m.Calls("start") != 5 {
				t.Errorf("restarted after %s: %d starts, %+v", at, m.Calls("start"), i)
			}
			m.assign(order + " stop")
			m.pass(at / 2)
			m.stop()
			m.start()
			m.pass(10 * time.Second)
			m.wantGone(slot)
			m.wantRuns("")
		})
	}
}

// wantEnding is the one ending that the report tells.
func (m *machine) wantEnding(id, text string) {
	m.t.Helper()
	all := m.agent.Report().Endings
	if len(all) != 1 || all[0].ID != id || all[0].Slot.String()+"@a" != id || all[0].Failure.Code != nodes.PostStopFailed ||
		!strings.HasPrefix(all[0].Failure.Text, text) || all[0].Failure.At.IsZero() {
		m.t.Fatalf("endings: %+v", all)
	}
}

// The newest endings are told, and no more than a report may have.
func TestGroup_ManyPostStopsThatFail(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("post:leave", fake.Program{Runs: time.Millisecond, Code: 1})
		var orders, stops []string
		for i := range nodes.MaxEndings + 8 {
			o := fmt.Sprintf("t/web.%d@a post=leave", i)
			orders, stops = append(orders, o), append(stops, o+" stop")
		}
		m.assign(orders...)
		m.pass(time.Minute)
		m.assign(stops...)
		m.pass(time.Minute)
		r := m.agent.Report()
		if len(r.Endings) != nodes.MaxEndings {
			t.Errorf("%d endings", len(r.Endings))
		}
		if err := r.Bound(); err != nil {
			t.Error(err)
		}
	})
}

func TestGroup_LogsAndExecOfEach(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:a", fake.Program{Lines: []string{"main"}})
		m.assign(m.group())
		m.pass(6 * time.Second)
		for part, want := range map[string]string{"": "main\n", "+main": "main\n", "+proxy": "proxy\n", "+two": "two\n"} {
			var out bytes.Buffer
			if err := m.agent.Logs(m.t.Context(), slot+part, agent.LogOptions{Tail: -1}, &out); err != nil || out.String() != want {
				t.Errorf("%q: %q, %v", part, out.String(), err)
			}
		}
		err := m.agent.Logs(m.t.Context(), slot+"+nobody", agent.LogOptions{}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), `no container "nobody"`) || !strings.Contains(err.Error(), "log, main, one, proxy, two") {
			t.Errorf("of a part that is none: %v", err)
		}
		for _, part := range []string{"", "+proxy"} {
			if code, err := m.agent.Exec(m.t.Context(), slot+part, agent.Exec{Command: []string{"true"}, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}); code != 0 || err != nil {
				t.Errorf("exec in %q: %d, %v", part, code, err)
			}
		}
	})
}

// A post-stop that fails, or does not end, holds nothing up for long.
func TestGroup_PostStopThatFails(t *testing.T) {
	for _, p := range []fake.Program{{Runs: time.Second, Code: 1}, {Deaf: true}} {
		onMachine(t, func(m *machine) {
			m.Image("post:leave", p)
			m.assign(slot + " post=leave")
			m.pass(time.Second)
			m.assign(slot + " post=leave stop")
			m.pass(15 * time.Second)
			m.wantGone(slot)
			m.wantRuns("")
			m.wantEnding(slot, "postStop leave: ")
			m.pass(time.Hour)
			if all := m.agent.Report().Endings; len(all) > 0 {
				t.Errorf("told for ever: %+v", all)
			}
		})
	}
}

// A part that cannot start is named.
func TestGroup_PartThatCannotStart(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("side:bad")
		m.Fault("start", func(_ context.Context, id string) error {
			if strings.HasSuffix(id, "side.bad") {
				return fake.Fail(nodes.Failure{Code: nodes.CommandNotFound, Text: "no such file"})(nil, id)
			}
			return nil
		})
		m.assign(slot + " side=bad")
		m.pass(time.Second)
		if f := m.wantFailure(slot, nodes.CommandNotFound); f.Text != "sidecar bad: no such file" {
			t.Errorf("failure: %+v", f)
		}
		i := m.agent.Report().Instances
		if slices.ContainsFunc(i, func(x nodes.Instance) bool { return x.Available() }) {
			t.Error("it counts as available")
		}
	})
}
