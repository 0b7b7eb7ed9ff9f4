package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/engine"
)

// sleeperOn is a sleeper that is bound to a node, which may be silent or in
// trouble for longer than the test runs.
func sleeperOn(node string, replicas int) string {
	return sleeper + fmt.Sprintf("\treplicas: %d\n\tconstraints: [{attribute: \"node\", value: %q}]\n", replicas, node)
}

// I10, I11: an engine that hangs, dies or is restarted is told as its node's
// trouble; what it kept running is adopted, and the other node does not notice.
func TestE2E_EngineInTrouble(t *testing.T) {
	needs(t, dockerEngine{})
	e := engine.New(t, "--live-restore")
	s := build(t)
	lendRegistry(t, e.Namespace(), s.registry.Addr())
	s.up(1)
	s.startAgent("n2", 2, "--docker-host", e.Host())
	s.eventually("both nodes", func() bool { return ready(s.status()) == 2 })
	s.put("shop/web", sleeperOn("n1", 2))
	s.put("shop/far", sleeperOn("n2", 2))
	s.wantOutcome(s.commit("a workload on each node"), reconciler.Applied)
	near, far := s.containers(), livesOn(t, e)
	if len(near) != 2 || len(far) != 2 {
		t.Fatalf("%d and %d containers at the start", len(near), len(far))
	}
	for _, x := range []struct {
		name      string
		down, up  func()
		says      string
		subjectOf string
	}{
		{"hangs", e.Freeze, e.Thaw, "hangs", "freeze"},
		{"killed", e.Kill, e.Start, "no docker engine answers at " + e.Host(), "kill"},
		{"restarted in order", e.Stop, e.Start, "no docker engine answers at " + e.Host(), "stop"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := s.in(t)
			x.down()
			s.wantTroubled("n2", x.says)
			s.put("shop/"+x.subjectOf, sleeperOn("n1", 1))
			s.wantOutcome(s.commit("the other node goes on"), reconciler.Applied)
			x.up()
			s.eventually("both nodes", func() bool { return ready(s.status()) == 2 })
			s.eventually("two that run there", func() bool { return healthy(s.status(), "shop/far") == 2 })
			wantSame(t, "on the engine that was in trouble", far, livesOn(t, e))
			wantSame(t, "on the other engine", near, s.of("shop/web"))
		})
	}
}

// wantTroubled wants the node's state where people and tools look.
func (s *site) wantTroubled(name, why string) {
	s.t.Helper()
	var last status.Node
	if !within(s.t, awhile, func() bool {
		for _, n := range s.status().Nodes {
			if n.Name == name {
				last = n
			}
		}
		return last.State == "troubled"
	}) {
		s.t.Errorf("%s is %s: %s", name, last.State, last.Reason)
	}
	wantText(s.t, "the node's reason", last.Reason, why)
	s.wantProblem("node-troubled", []string{name, why}, "on the node")
	wantText(s.t, "node ls", s.shell("bayplan node ls"), "troubled", why)
}

// An engine that ends its containers with itself costs each one restart, which
// is counted.
func TestE2E_EngineRestartedWithItsContainers(t *testing.T) {
	needs(t, dockerEngine{})
	e := engine.New(t)
	s := build(t)
	lendRegistry(t, e.Namespace(), s.registry.Addr())
	s.startServer()
	t.Cleanup(s.sweep)
	s.startAgent("n1", 1, "--docker-host", e.Host())
	s.eventually("the node", func() bool { return ready(s.status()) == 1 })
	s.put("shop/web", sleeperOn("n1", 2))
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	before := livesOn(t, e)

	e.Stop()
	s.wantTroubled("n1", "no docker engine answers")
	e.Start()
	s.eventually("two that run again", func() bool {
		return ready(s.status()) == 1 && healthy(s.status(), "shop/web") == 2
	})
	after := livesOn(t, e)
	if len(after) != len(before) {
		t.Errorf("containers %v, were %v", after, before)
	}
	for id, x := range before {
		if y, there := after[id]; !there || x == y {
			t.Errorf("container %.12s: %q, was %q; want it started once more", id, y, x)
		}
	}
	for _, w := range s.status().Workloads {
		for _, x := range w.Slots {
			if x.Restarts != 1 || x.Phase != nodes.Running {
				t.Errorf("%s is %s after %d restarts, want 1", x.Slot, x.Phase, x.Restarts)
			}
		}
	}
}

// livesOn are the containers of an engine of the test's own.
func livesOn(t *testing.T, e *engine.Engine) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, id := range strings.Fields(run(t, "docker", "-H", e.Host(), "ps", "-aq", "--no-trunc")) {
		found[id] = strings.TrimSpace(run(t, "docker", "-H", e.Host(), "inspect", "--format", "{{.Name}} {{.State.Status}} {{.State.StartedAt}}", id))
	}
	return found
}

// lendRegistry answers at the registry's address inside a network namespace too,
// where an engine of the test's own looks for it.
func lendRegistry(t *testing.T, namespace, address string) {
	t.Helper()
	l := listenIn(t, namespace, address)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			inside, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { join(t.Context(), inside, address) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
}

// listenIn listens inside a network namespace. A socket stays in that of the
// thread that made it, and the thread is thrown away.
func listenIn(t *testing.T, namespace, address string) net.Listener {
	t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(fd)
			err = unix.Setns(fd, unix.CLONE_NEWNET)
		}
		var l net.Listener
		if err == nil {
			l, err = net.Listen("tcp", address)
		}
		made <- result{l, err}
	}()
	r := <-made
	if r.err != nil {
		t.Fatalf("listening in %s: %v", namespace, r.err)
	}
	return r.l
}

// join passes on what two connections say until one of them ends, or ctx does.
func join(ctx context.Context, inside net.Conn, address string) {
	defer inside.Close()
	outside, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return
	}
	defer outside.Close()
	defer context.AfterFunc(ctx, func() { inside.Close(); outside.Close() })()
	done := make(chan struct{})
	go func() { defer close(done); io.Copy(outside, inside); outside.Close() }()
	io.Copy(inside, outside)
	inside.Close()
	<-done
}
