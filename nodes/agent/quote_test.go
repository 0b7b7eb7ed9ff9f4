package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/testenv/fake"
)

// A failure comes with the last lines of the life that failed, and of no other.
func TestAgent_FailureTellsTheLastLines(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("steps", fake.Steps)
		as := m.assignment("t/web.0@a image=steps policy=never")
		as.Orders[0].Workload.Args = strings.Fields("print 7 exit 3")
		if err := m.agent.Assign(as); err != nil {
			t.Fatal(err)
		}
		m.pass(time.Second)
		f := m.wantFailure("t/web.0@a", nodes.Exited)
		if f.ExitCode != 3 || f.Log != "line 3\nline 4\nline 5\nline 6\nline 7" {
			t.Errorf("exit code %d, log %q", f.ExitCode, f.Log)
		}
		// It is told again by an agent that is started anew, and no log is read twice.
		m.stop()
		m.Fault("logs", fake.Hang)
		m.start()
		m.pass(time.Second)
		if again := m.wantFailure("t/web.0@a", nodes.Exited); again.Log != f.Log {
			t.Errorf("after a restart: %q", again.Log)
		}
	})
}

// A log that cannot be read takes nothing from the failure, and holds nothing up.
func TestAgent_UnreadableLogIsNoMatter(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Fault("logs", fake.Hang)
		m.assign("t/web.0@a backoff=1s max=2s")
		m.Kill("t/web.0@a", 9)
		m.pass(10 * time.Second)
		if f := m.wantPhase("t/web.0@a", nodes.Running).Failure; f == nil || f.Code != nodes.Exited || f.Log != "" {
			t.Errorf("%+v", f)
		}
	})
}

// Of a slot of several containers the failure tells of the one that ended it, by
// its name and its own last lines.
func TestAgent_FailureTellsOfThePartThatEnded(t *testing.T) {
	for _, c := range []struct{ part, line string }{{"", "main broke"}, {"proxy", "proxy broke"}, {"two", "two broke"}} {
		onMachine(t, func(m *machine) {
			order := m.group()
			breaks := fake.Program{Runs: 2 * time.Second, Code: 3, Lines: []string{c.line}}
			m.Image(map[string]string{"": "web:a", "proxy": "side:proxy", "two": "init:two"}[c.part], breaks)
			m.assign(order)
			m.pass(9 * time.Second)
			if f := m.wantFailure(slot, nodes.Exited); f.Part != c.part || f.Log != c.line || f.ExitCode != 3 {
				t.Errorf("%q ended: %+v", c.part, f)
			}
		})
	}
}

// While only what comes before the main container has begun, its log tells what to
// ask for instead.
func TestGroup_LogsBeforeTheMainContainerBegins(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign(m.group())
		m.pass(time.Second)
		var out strings.Builder
		err := m.agent.Logs(m.t.Context(), slot, agent.LogOptions{Tail: -1}, &out)
		if err == nil || !strings.Contains(err.Error(), "has not begun, only one has: choose it with -c") {
			t.Errorf("%v, %q", err, out.String())
		}
	})
}
