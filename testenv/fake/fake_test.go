package fake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func web(image string, port int) agent.Container {
	slot := schema.Slot{Workload: "t/web"}
	return agent.Container{
		ID: "t/web.0@d", Slot: slot, Digest: "d", Ports: map[string]int{"http": port},
		Workload: &schema.Workload{Name: "t/web", Image: image, Ports: map[string]schema.Port{"http": {Container: 8080}}},
	}
}

func start(t *testing.T, r *fake.Runtime, c agent.Container) agent.Status {
	t.Helper()
	if err := r.Pull(t.Context(), c.Workload.Image); err != nil {
		t.Fatal(err)
	}
	s, err := r.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantCode(t *testing.T, err error, want nodes.FailureCode) {
	t.Helper()
	if e, ok := errors.AsType[*agent.Error](err); !ok || e.Failure.Code != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func TestEngine_LivesFollowTheirScripts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New()
		e.Image("web", fake.Program{Runs: time.Second, Code: 3}, fake.Program{Runs: time.Second, OOM: true}, fake.Program{})
		r := e.Runtime("c", "n")
		wants := []agent.Status{{State: agent.StateExited, ExitCode: 3}, {State: agent.StateExited, ExitCode: 137, OOM: true}, {State: agent.StateRunning}}
		for i, want := range wants {
			start(t, r, web("web", 20000))
			time.Sleep(time.Minute)
			got, _ := e.Container("t/web.0@d")
			if got.State != want.State || got.ExitCode != want.ExitCode || got.OOM != want.OOM || got.Container != "c000001" {
				t.Errorf("life %d: %+v", i, got)
			}
		}
	})
}

func TestEngine_StopSignalsWaitsAndKills(t *testing.T) {
	for name, c := range map[string]struct {
		program fake.Program
		took    time.Duration
		code    int
	}{
		"at once": {fake.Program{}, 0, 0},
		"drains":  {fake.Program{Drains: 2 * time.Second}, 2 * time.Second, 0},
		"deaf":    {fake.Program{Deaf: true}, 10 * time.Second, 137},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := fake.New()
				e.Image("web", c.program)
				r := e.Runtime("c", "n")
				start(t, r, web("web", 20000))
				began := time.Now()
				if err := r.Stop(t.Context(), "t/web.0@d", "SIGTERM", 10*time.Second); err != nil {
					t.Fatal(err)
				}
				s, _ := e.Container("t/web.0@d")
				if took := time.Since(began); took != c.took || s.ExitCode != c.code {
					t.Errorf("took %s, %+v", took, s)
				}
			})
		})
	}
}

func TestEngine_NodesDoNotSeeEachOther(t *testing.T) {
	e := fake.New()
	e.Image("web")
	mine, other := e.Runtime("c", "n1"), e.Runtime("c", "n2")
	start(t, mine, web("web", 20000))
	if all, _ := other.List(t.Context()); len(all) != 0 {
		t.Errorf("sees %+v", all)
	}
	if err := other.Stop(t.Context(), "t/web.0@d", "SIGTERM", 0); err != nil || len(mine.Slots()) != 1 {
		t.Errorf("stopped another's: %v", err)
	}
	_, err := other.Start(t.Context(), web("web", 20000))
	wantCode(t, err, nodes.PortInUse)
}

func TestEngine_Faults(t *testing.T) {
	e := fake.New()
	r := e.Runtime("c", "n")
	wantCode(t, r.Pull(t.Context(), "web"), nodes.ImageNotFound)
	e.Image("web")
	_, err := r.Start(t.Context(), web("web", 20000))
	wantCode(t, err, nodes.ImageNotFound)
	start(t, r, web("web", 20000))
	e.Down()
	_, err = r.List(t.Context())
	wantCode(t, err, nodes.EngineDown)
	e.Up()
	e.Fault("list", fake.Fail(nodes.Failure{Code: nodes.DiskFull, Text: "full"}))
	_, err = r.List(t.Context())
	wantCode(t, err, nodes.DiskFull)
	e.Fault("list", fake.Hang)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err = r.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging: %v", err)
	}
}

func TestEngine_ServesLogsAndExecs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New()
		e.Image("web", fake.Program{Lines: []string{"one", "two"}, Boots: time.Second})
		r := e.Runtime("c", "n")
		s := start(t, r, web("web", 20000))
		client := &http.Client{Transport: &http.Transport{DialContext: e.Dial, DisableKeepAlives: true}}
		if _, err := client.Get("http://" + s.Address + ":8080/"); err == nil {
			t.Error("answers before it listens")
		}
		time.Sleep(time.Second)
		for _, url := range []string{"http://" + s.Address + ":8080/", "http://node:20000/"} {
			resp, err := client.Get(url)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%s: %v %v", url, resp, err)
			}
			resp.Body.Close()
		}
		var log, out bytes.Buffer
		if err := r.Logs(t.Context(), "t/web.0@d", agent.LogOptions{Tail: 1}, &log); err != nil || log.String() != "two\n" {
			t.Errorf("log %q %v", &log, err)
		}
		code, err := r.Exec(t.Context(), "t/web.0@d", agent.Exec{Command: []string{"cat"}, Stdin: strings.NewReader("hello"), Stdout: &out})
		if err != nil || code != 0 || out.String() != "hello" {
			t.Errorf("exec %d %v %q", code, err, &out)
		}
	})
}

func TestEngine_FollowEndsWithTheContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New()
		e.Image("web", fake.Program{Lines: []string{"one"}, Runs: time.Minute})
		r := e.Runtime("c", "n")
		start(t, r, web("web", 20000))
		began := time.Now()
		if err := r.Logs(t.Context(), "t/web.0@d", agent.LogOptions{Follow: true, Tail: -1}, io.Discard); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestEngine_WatchTellsAndEndsWithTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New()
		e.Image("web")
		r := e.Runtime("c", "n")
		var told []string
		ended := make(chan error)
		go func() { ended <- r.Watch(t.Context(), func(id string) { told = append(told, id) }) }()
		synctest.Wait()
		start(t, r, web("web", 20000))
		synctest.Wait()
		if len(told) < 2 || told[0] != "" || told[1] != "t/web.0@d" {
			t.Errorf("told %q", told)
		}
		e.Down()
		wantCode(t, <-ended, nodes.EngineDown)
	})
}
