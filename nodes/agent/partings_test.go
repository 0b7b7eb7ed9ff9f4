package agent_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/testenv/fake"
)

func (m *machine) logs(id string, o agent.LogOptions) string {
	m.t.Helper()
	var b bytes.Buffer
	if err := m.agent.Logs(m.t.Context(), id, o, &b); err != nil {
		return "none: " + err.Error()
	}
	return b.String()
}

var whole = agent.LogOptions{Tail: -1}

// What a job's attempt wrote that was stopped can be read after its container is
// gone, also by the next agent, until its run is forgotten.
func TestAgent_KeepsTheLogOfAStoppedAttempt(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:a", fake.Program{Lines: []string{"one", "two", "three"}})
		m.assign("t/job.0@a kind=job", "t/web.0@a")
		m.pass(time.Second)
		m.assign("t/job.0@a kind=job stop", "t/web.0@a stop")
		m.pass(time.Minute)
		m.wantGone("t/job.0@a")
		m.stop()
		m.start()
		m.pass(time.Second)
		if got := m.logs("t/job.0@a", whole); got != "one\ntwo\nthree\n" {
			t.Errorf("the log is %q", got)
		}
		if got := m.logs("t/job.0@a", agent.LogOptions{Tail: 1}); got != "three\n" {
			t.Errorf("its last line is %q", got)
		}
		stamped := m.logs("t/job.0@a", agent.LogOptions{Tail: -1, Timestamps: true})
		if at, _, _ := strings.Cut(stamped, " one\n"); !strings.Contains(at, "T") {
			t.Errorf("with times it is %q", stamped)
		}
		if got := m.logs("t/job.0@a", agent.LogOptions{Tail: -1, Since: time.Now()}); got != "" {
			t.Errorf("since now it is %q", got)
		}
		if got := m.logs("t/web.0@a", whole); !strings.HasPrefix(got, "none: ") {
			t.Errorf("of a service there is %q", got)
		}
		m.assign("t/job.0@a kind=job")
		m.pass(time.Second)
		m.assign("t/job.0@a kind=job notkept")
		m.pass(time.Minute)
		if got := m.logs("t/job.0@a", whole); !strings.HasPrefix(got, "none: ") {
			t.Errorf("of a run that is forgotten there is %q", got)
		}
	})
}

// Logs are bounded in size and number (I35).
func TestAgent_KeepsFewLogsOfStoppedAttempts(t *testing.T) {
	onMachine(t, func(m *machine) {
		long := strings.Repeat("x", 1000)
		var lines []string
		for i := range 3000 {
			lines = append(lines, fmt.Sprint(i, " ", long))
		}
		m.Image("web:a", fake.Program{Lines: lines})
		for i := range 12 {
			var orders, stops []string
			for k := range 10 {
				o := fmt.Sprintf("t/job.%d@a kind=job", 10*i+k)
				orders, stops = append(orders, o), append(stops, o+" stop")
			}
			m.assign(orders...)
			m.pass(time.Minute)
			m.assign(stops...)
			m.pass(time.Minute)
		}
		files, err := os.ReadDir(filepath.Join(m.cfg.Dir, "partings"))
		if err != nil || len(files) != 100 {
			t.Fatalf("%d logs are kept, %v", len(files), err)
		}
		got := m.logs("t/job.119@a", whole)
		if len(got) > 256<<10 || len(got) < 200<<10 || !strings.HasSuffix(got, "2999 "+long+"\n") {
			t.Errorf("a log of %d bytes is kept", len(got))
		}
		if n := len(m.agent.Report().Instances); n != 0 {
			t.Errorf("%d instances are left", n)
		}
	})
}
