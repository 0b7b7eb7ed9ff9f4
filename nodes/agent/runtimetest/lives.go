package runtimetest

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// lives are about starting, ending and removing.
var lives = []contract{
	{"Start_TellsAllOfIt", startTells},
	{"Start_OfARunningOneChangesNothing", startRunning},
	{"Start_OfAnExitedOneBeginsAnotherLife", startExited},
	{"Start_WithoutTheImage", startWithoutImage},
	{"Start_OnAPortInUse", startPortInUse},
	{"Pull_OfAMissingImage", pullMissing},
	{"Pull_OfAPresentImage", pullPresent},
	{"Stop_LetsTheProgramEnd", stopGraceful},
	{"Stop_KillsADeafProgram", stopDeaf},
	{"Stop_AndRemoveAreIdempotent", stopTwice},
	{"Remove_LeavesARunningOneAlone", removeRunning},
	{"Exit_ShowsItsCode", exitCode},
}

func startTells(r *rig) {
	c := r.container("web", 3, "sleep")
	before := time.Now().Add(-2 * time.Second) // clocks of file systems and engines are coarse
	s := r.run(c)
	listed := r.find(c.ID)
	if listed == nil {
		r.Fatal("it is not listed")
	}
	for _, s := range []agent.Status{s, *listed} {
		if s.ID != c.ID || s.Slot != c.Slot || s.Digest != c.Digest {
			r.Errorf("it is %s %s %s, want %s %s %s", s.ID, s.Slot, s.Digest, c.ID, c.Slot, c.Digest)
		}
		if s.State != agent.StateRunning || s.Container == "" || s.Address == "" || s.Started.Before(before) || s.Ports == nil {
			r.Errorf("after the start: %+v", s)
		}
	}
	if s.Container != listed.Container || !s.Started.Equal(listed.Started) || s.Address != listed.Address {
		r.Errorf("Start and List disagree:\n%+v\n%+v", s, *listed)
	}
}

func startRunning(r *rig) {
	c := r.container("web", 0, "sleep")
	first, again := r.run(c), r.run(c)
	if first.Container != again.Container || !first.Started.Equal(again.Started) || again.State != agent.StateRunning {
		r.Errorf("a second Start made\n%+v of\n%+v", again, first)
	}
}

func startExited(r *rig) {
	c := r.container("job", 0, "echo", "a life", "exit", "3")
	first := r.run(c)
	ended := r.awaitExit(c.ID)
	c.Commit = "c0ffee" // another commit alone makes no other container
	second := r.run(c)
	if second.Container != first.Container || !second.Started.After(first.Started) {
		r.Errorf("a Start after the exit made\n%+v of\n%+v", second, ended)
	}
	r.await(c.ID, "exited again", func(s *agent.Status) bool {
		return s.State == agent.StateExited && s.Started.Equal(second.Started)
	})
	if got, want := r.logs(c.ID, agent.LogOptions{Tail: -1}), "a life\na life\n"; got != want {
		r.Errorf("the log of two lives is %q, want %q", got, want)
	}
}

func startWithoutImage(r *rig) {
	c := r.container("web", 0, "sleep")
	c.Workload.Image, c.Workload.Pinned = r.Missing, ""
	_, err := r.Start(r.ctx, c)
	r.wantFailure(err, nodes.ImageNotFound)
	if s := r.find(c.ID); s != nil && s.State == agent.StateRunning {
		r.Errorf("it runs: %+v", s)
	}
}

func startPortInUse(r *rig) {
	port := r.FreePort(r.T)
	published := func(name string, port int) agent.Container {
		c := r.container(name, 0, "serve", "8080", "sleep")
		c.Workload.Ports = map[string]schema.Port{"http": {Container: 8080, Protocol: "tcp"}}
		c.Ports = map[string]int{"http": port}
		return c
	}
	one := r.run(published("one", port))
	if one.Ports["http"] != port {
		r.Errorf("it holds the ports %v, want http %d", one.Ports, port)
	}
	two := published("two", port)
	r.must(r.Pull(r.ctx, image(two.Workload)))
	_, err := r.Start(r.ctx, two)
	if f := r.wantFailure(err, nodes.PortInUse); f.Port != port {
		r.Errorf("the port in use is %d, want %d", f.Port, port)
	}
	two.Ports = map[string]int{"http": r.FreePort(r.T)}
	s, err := r.Start(r.ctx, two)
	r.must(err)
	if s.State != agent.StateRunning || s.Ports["http"] != two.Ports["http"] {
		r.Errorf("ordered again with another port: %+v", s)
	}
}

func pullMissing(r *rig) { r.wantFailure(r.Pull(r.ctx, r.Missing), nodes.ImageNotFound) }

func pullPresent(r *rig) {
	c := r.container("web", 0, "sleep")
	r.must(r.Pull(r.ctx, image(c.Workload)))
	r.must(r.Pull(r.ctx, image(c.Workload)))
}

func stopGraceful(r *rig) {
	c := r.container("web", 0, "echo", "up", "sleep")
	r.run(c)
	r.awaitLog(c.ID, "up\n")
	r.must(r.Stop(r.ctx, c.ID, "SIGTERM", patience))
	s := r.find(c.ID)
	if s == nil || s.State != agent.StateExited || s.ExitCode != 0 || s.Finished.IsZero() || s.Address != "" {
		r.Errorf("after the stop: %+v", s)
	}
}

func stopDeaf(r *rig) {
	const grace = 300 * time.Millisecond
	c := r.container("web", 0, "ignore", "echo", "deaf", "sleep")
	r.run(c)
	r.awaitLog(c.ID, "deaf\n")
	began := time.Now()
	r.must(r.Stop(r.ctx, c.ID, "SIGTERM", grace))
	if took := time.Since(began); took < grace {
		r.Errorf("it was killed after %v, before its grace of %v was over", took, grace)
	}
	if s := r.find(c.ID); s == nil || s.State != agent.StateExited || s.ExitCode != 137 || s.OOM {
		r.Errorf("after the kill: %+v", s)
	}
}

func stopTwice(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	for range 2 {
		r.must(r.Stop(r.ctx, c.ID, "SIGTERM", patience))
	}
	for range 2 {
		r.must(r.Remove(r.ctx, c.ID))
	}
	r.must(r.Stop(r.ctx, c.ID, "SIGTERM", patience))
	if s := r.find(c.ID); s != nil {
		r.Errorf("it is still there: %+v", s)
	}
}

func removeRunning(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	if err := r.Remove(r.ctx, c.ID); err == nil {
		r.Error("a running container was removed")
	}
	if s := r.find(c.ID); s == nil || s.State != agent.StateRunning {
		r.Errorf("it does not run any more: %+v", s)
	}
}

func exitCode(r *rig) {
	c := r.container("job", 0, "exit", "42")
	first := r.run(c)
	s := r.awaitExit(c.ID)
	if s.ExitCode != 42 || s.OOM || s.Finished.Before(first.Started) || s.Address != "" {
		r.Errorf("after the exit: %+v", s)
	}
}
