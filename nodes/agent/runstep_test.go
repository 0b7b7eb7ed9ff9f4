package agent_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/fake"
)

// step assigns a step in place of the one that the line made up.
func (m *machine) step(line string, s nodes.Step) {
	m.t.Helper()
	a := m.assignment("t/web.0@a ports=http:20000", line)
	for i := range a.Orders {
		if a.Orders[i].Step != nil {
			s.On = a.Orders[i].Step.On
			a.Orders[i].Step = &s
		}
	}
	if err := m.agent.Assign(a); err != nil {
		m.t.Fatal(err)
	}
	m.pass(0)
}

func (m *machine) wantOutcome(id string, want nodes.Outcome) {
	m.t.Helper()
	if o := m.wantPhase(id, nodes.Stopped).Outcome; o == nil || *o != want {
		m.t.Errorf("%s: %+v, want %+v", id, o, want)
	}
}

// A step is done once, whatever becomes of the agent, and what it wrote is kept.
func TestAgent_PerformsAStepOnce(t *testing.T) {
	onMachine(t, func(m *machine) {
		runs := 0
		m.Image("web:a", fake.Program{Exec: func(command []string, _ io.Reader, out io.Writer) int {
			runs++
			fmt.Fprintf(out, "%s\nthe last\n", strings.Repeat("noise\n", 500))
			return len(command)
		}})
		drain := nodes.Step{Name: "drain", Exec: &schema.ExecCheck{Command: []string{"drain", "now"}}, Timeout: schema.Duration(time.Minute)}
		m.assign("t/web.0@a ports=http:20000")
		m.step("t/web.0@s step=t/web.0@a", drain)
		m.pass(time.Second)
		o := m.wantPhase("t/web.0@s", nodes.Stopped).Outcome
		if o == nil || o.Passed || o.ExitCode != 2 || o.Text != "drain exited with code 2" || !strings.HasSuffix(o.Output, "\nthe last") || len(o.Output) > nodes.MaxOutput {
			t.Errorf("%+v", o)
		}
		m.stop()
		m.start()
		m.pass(time.Hour)
		if o := m.wantPhase("t/web.0@s", nodes.Stopped).Outcome; o == nil || o.ExitCode != 2 {
			t.Errorf("after the agent's restart: %+v", o)
		}
		if runs != 1 {
			t.Errorf("it ran %d times", runs)
		}
	})
}

// An agent that ends while a step is under way leaves it, and the next one tells
// that nobody knows.
func TestAgent_LeavesAStepThatAnotherBegan(t *testing.T) {
	onMachine(t, func(m *machine) {
		runs, over := 0, make(chan struct{})
		m.Image("web:a", fake.Program{Exec: func([]string, io.Reader, io.Writer) int { runs++; <-over; return 0 }})
		m.assign("t/web.0@a ports=http:20000")
		m.step("t/web.0@s step=t/web.0@a", nodes.Step{Exec: &schema.ExecCheck{Command: []string{"drain"}}, Timeout: schema.Duration(time.Hour)})
		m.wantPhase("t/web.0@s", nodes.Running)
		m.stop()
		close(over)
		m.start()
		m.pass(time.Minute)
		m.wantOutcome("t/web.0@s", nodes.Outcome{Unknown: true, Text: "the agent was started anew meanwhile: nobody knows how it ended"})
		if runs != 1 {
			t.Errorf("it ran %d times", runs)
		}
	})
}

// What a step asks over the network, and one that takes too long.
func TestAgent_AsksForAStep(t *testing.T) {
	onMachine(t, func(m *machine) {
		over := make(chan struct{})
		m.Image("web:a", fake.Program{
			Serve: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/ring" {
					http.Error(w, "2 of 3 are up", http.StatusServiceUnavailable)
				}
			}),
			Exec: func([]string, io.Reader, io.Writer) int { <-over; return 0 },
		})
		m.assign("t/web.0@a ports=http:20000")
		for i, c := range []struct {
			step nodes.Step
			want nodes.Outcome
		}{
			{nodes.Step{HTTP: &schema.HTTPCheck{Path: "/up", Port: "http"}}, nodes.Outcome{Passed: true}},
			{nodes.Step{TCP: &schema.TCPCheck{Port: "http"}}, nodes.Outcome{Passed: true}},
			{nodes.Step{HTTP: &schema.HTTPCheck{Path: "/ring", Port: "http"}}, nodes.Outcome{Text: "GET /ring answered 503: 2 of 3 are up"}},
			{nodes.Step{Exec: &schema.ExecCheck{Command: []string{"slow"}}}, nodes.Outcome{Text: "did not end within 30s"}},
		} {
			c.step.Timeout = schema.Duration(30 * time.Second)
			id := fmt.Sprint("t/web.0@s", i)
			m.step(id+" step=t/web.0@a", c.step)
			m.pass(31 * time.Second)
			m.wantOutcome(id, c.want)
		}
		close(over) // the engine's own end of what it was asked for
	})
}

// A container of a step's own is run to its end, once, and its log is read.
func TestAgent_RunsAStepsContainer(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:s", fake.Program{Runs: time.Second, Code: 3, Lines: []string{"checking", "lag is 7 MB"}})
		m.assign("t/web.0@a", "t/web.0@s step")
		m.pass(2 * time.Second)
		m.stop()
		m.start()
		m.pass(time.Hour)
		m.wantOutcome("t/web.0@s", nodes.Outcome{ExitCode: 3, Text: "exited with code 3", Output: "checking\nlag is 7 MB"})
		if n := m.Calls("start"); n != 2 {
			t.Errorf("%d starts of two containers", n)
		}
		m.assign("t/web.0@a", "t/web.0@s stop step")
		m.pass(time.Second)
		m.wantGone("t/web.0@s")
	})
}

// An agent whose folder is gone does nothing again that one before it may have
// done: what was ordered before the first Assignment that it holds.
func TestAgent_DoesNothingThatALostOneMayHaveDone(t *testing.T) {
	onMachine(t, func(m *machine) {
		runs := 0
		m.Image("web:a", fake.Program{Exec: func([]string, io.Reader, io.Writer) int { runs++; return 0 }})
		m.assign("t/web.0@a")
		m.stop()
		m.cfg.Dir = t.TempDir()
		m.start()
		a := m.assignment("t/web.0@a", "t/web.0@old step=t/web.0@a", "t/web.0@new step=t/web.0@a")
		for i := range a.Orders {
			if o := &a.Orders[i]; o.ID != "t/web.0@new" {
				o.Since = nodes.Version{Epoch: 1, Serial: 1}
			} else {
				o.Since = a.Version
			}
			if o := &a.Orders[i]; o.Step != nil {
				o.Step.Exec = &schema.ExecCheck{Command: []string{"drain"}}
			}
		}
		if err := m.agent.Assign(a); err != nil {
			t.Fatal(err)
		}
		m.pass(time.Minute)
		m.wantOutcome("t/web.0@old", nodes.Outcome{Unknown: true, Text: "the agent was started anew meanwhile: nobody knows how it ended"})
		m.wantOutcome("t/web.0@new", nodes.Outcome{Passed: true})
		if runs != 1 {
			t.Errorf("%d runs", runs)
		}
	})
}
