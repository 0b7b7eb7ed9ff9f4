package fake_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/fake"
)

// stepping is a container of the test image that takes these steps.
func stepping(args string) agent.Container {
	c := web("steps", 20000)
	c.Workload.Args = strings.Fields(args)
	c.Workload.Env = map[string]string{"GREETING": "hello"}
	c.Workload.Volumes = map[string]schema.Volume{"data": {Path: "/data"}, "fixed": {Path: "/fixed", ReadOnly: true}}
	return c
}

func TestSteps_EndsAndLogs(t *testing.T) {
	for args, want := range map[string]struct {
		state agent.Status
		log   string
	}{
		"print 2 exit 3":                  {agent.Status{State: agent.StateExited, ExitCode: 3}, "line 1\nline 2\n"},
		"env GREETING sleep":              {agent.Status{State: agent.StateExited}, "hello\nSIGTERM\n"},
		"ignore sleep":                    {agent.Status{State: agent.StateExited, ExitCode: 137}, ""},
		"oom":                             {agent.Status{State: agent.StateExited, ExitCode: 137, OOM: true}, ""},
		"write /data/x kept read /data/x": {agent.Status{State: agent.StateExited}, "kept\n"},
		"write /fixed/x no":               {agent.Status{State: agent.StateExited, ExitCode: 1}, "open /fixed/x: read-only file system\n"},
		"whoami terminal":                 {agent.Status{State: agent.StateExited}, "0:0 /\nno terminal\n"},
	} {
		t.Run(args, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := fake.New()
				e.Image("steps", fake.Steps)
				r := e.Runtime("c", "n")
				start(t, r, stepping(args))
				time.Sleep(time.Second)
				if err := r.Stop(t.Context(), "t/web.0@d", "SIGTERM", time.Second); err != nil {
					t.Fatal(err)
				}
				got, _ := e.Container("t/web.0@d")
				var log bytes.Buffer
				if err := r.Logs(t.Context(), "t/web.0@d", agent.LogOptions{Tail: -1}, &log); err != nil {
					t.Fatal(err)
				}
				if got.State != want.state.State || got.ExitCode != want.state.ExitCode || got.OOM != want.state.OOM || log.String() != want.log {
					t.Errorf("%+v, log %q", got, &log)
				}
			})
		})
	}
}

func TestSteps_ServesAndExecs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New()
		e.Image("steps", fake.Steps)
		r := e.Runtime("c", "n")
		s := start(t, r, stepping("serve 8080 sleep"))
		synctest.Wait()
		client := &http.Client{Transport: &http.Transport{DialContext: e.Dial, DisableKeepAlives: true}}
		resp, err := client.Get("http://" + s.Address + ":8080/up")
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
		var out bytes.Buffer
		sizes := make(chan agent.Size, 1)
		sizes <- agent.Size{Rows: 7, Cols: 9}
		code, err := r.Exec(t.Context(), s.ID, agent.Exec{Command: []string{steps.Path, "terminal", "exit", "4"}, TTY: true, Stdout: &out, Resize: sizes})
		if err != nil || code != 4 || out.String() != "terminal 7x9\n" {
			t.Errorf("exec: %d %v %q", code, err, &out)
		}
		ended := make(chan int, 1)
		go func() {
			code, _ := r.Exec(t.Context(), s.ID, agent.Exec{Command: []string{steps.Path, "sleep"}})
			ended <- code
		}()
		synctest.Wait()
		if err := r.Stop(t.Context(), s.ID, "SIGTERM", time.Second); err != nil {
			t.Fatal(err)
		}
		if code := <-ended; code != 137 {
			t.Errorf("an exec outlived its container: %d", code)
		}
	})
}

func TestSteps_BadCommand(t *testing.T) {
	e := fake.New()
	e.Image("steps", fake.Steps)
	r := e.Runtime("c", "n")
	c := stepping("sleep")
	c.Workload.Command = []string{"/nowhere"}
	if err := r.Pull(t.Context(), "steps"); err != nil {
		t.Fatal(err)
	}
	_, err := r.Start(t.Context(), c)
	wantCode(t, err, nodes.CommandNotFound)
}
