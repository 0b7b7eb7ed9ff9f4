package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
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
