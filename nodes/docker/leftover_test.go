package docker_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
	"github.com/bayplan/bayplan/nodes/docker"
	"github.com/bayplan/bayplan/testenv/image"
)

// hangingExec answers as an Engine does whose command never ends; attached tells
// of each that was begun.
func (a *api) hangingExec(r *docker.Runtime) (attached chan struct{}) {
	attached = make(chan struct{}, 8)
	name := r.ContainerName("t/w.0@one")
	a.handlers["GET containers/"+name+"/json"] = answer(box("one"))
	a.handlers["POST containers/one/exec"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"Id":"x"}`)
	}
	a.handlers["POST exec/x/start"] = func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		attached <- struct{}{}
		io.Copy(io.Discard, conn)
	}
	return attached
}

// A check is not begun while the one before is still there and out of reach:
// its number is of a process of this machine that is in no container.
func TestExec_SingleIsRefusedBesideALeftover(t *testing.T) {
	a := newAPI(t, "1.41")
	r := a.runtime(t)
	attached := a.hangingExec(r)
	check := func() error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := r.Exec(ctx, "t/w.0@one", agent.Exec{Command: []string{"check"}, Single: true})
			done <- err
		}()
		select {
		case <-attached:
			cancel()
			return <-done
		case err := <-done:
			return err
		}
	}
	if err := check(); !errors.Is(err, context.Canceled) {
		t.Fatalf("given up: %v", err)
	}
	state := map[string]any{"ID": "x", "Running": true, "Pid": os.Getpid()}
	a.handlers["GET exec/x/json"] = answer(state)
	for range 3 {
		if err := check(); err == nil || !strings.Contains(err.Error(), "the one before still runs") {
			t.Fatalf("beside a leftover: %v", err)
		}
	}
	if n := a.count("POST containers/one/exec"); n != 1 {
		t.Errorf("%d commands were begun", n)
	}
	a.handlers["GET exec/x/json"] = answer(map[string]any{"ID": "x", "Running": false})
	if err := check(); !errors.Is(err, context.Canceled) {
		t.Errorf("once it has ended: %v", err)
	}
}

// Checks that hang do not pile up in a container, and harm nothing else there.
func TestExec_SingleEndsItsLeftover(t *testing.T) {
	c := plainClient(t)
	r := open(t, docker.Config{Cluster: newCluster(t, c), Node: "n"})
	ref := pushed(t, c, image.NewRegistry(t))
	if err := r.Pull(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	in := instance(ref, "web", 0, "sleep")
	s := start(t, r, in)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := r.Exec(ctx, in.ID, agent.Exec{Command: []string{steps.Path, "ignore", "sleep"}, Single: true})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a check that hangs: %v", err)
		}
	}
	if n := checksIn(t, c, s); n > 1 {
		t.Errorf("%d checks are left", n)
	}
	code, err := r.Exec(t.Context(), in.ID, agent.Exec{Command: []string{steps.Path, "exit", "3"}, Single: true})
	if err != nil || code != 3 {
		t.Errorf("a check that ends: %d, %v", code, err)
	}
	if n := checksIn(t, c, s); n > 0 {
		t.Errorf("%d checks are left", n)
	}
	if now := one(t, r); now.State != agent.StateRunning || !now.Started.Equal(s.Started) {
		t.Errorf("the program became %+v", now)
	}
}

func checksIn(t *testing.T, c *client.Client, s agent.Status) (n int) {
	t.Helper()
	top, err := c.ContainerTop(t.Context(), s.Container, client.ContainerTopOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range top.Processes {
		if strings.Contains(strings.Join(p, " "), "ignore") {
			n++
		}
	}
	return n
}
