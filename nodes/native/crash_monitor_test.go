package native_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

// monitor is the process that minds a folder, held so that nothing else is ever
// signalled; -1 is none.
func monitorOf(t *testing.T, folder string) (pidfd int) {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		if b, _ := os.ReadFile(path); string(b) != launch.Name+"\x00"+folder+"\x00" {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if b, _ := os.ReadFile(path); err == nil && strings.HasSuffix(string(b), folder+"\x00") {
			t.Cleanup(func() { unix.Close(fd) })
			return fd
		}
	}
	return -1
}

// signalMonitor is false if there is no monitor.
func signalMonitor(t *testing.T, folder string, s unix.Signal) bool {
	t.Helper()
	fd := monitorOf(t, folder)
	return fd >= 0 && unix.PidfdSendSignal(fd, s, nil, 0) == nil
}

func TestMonitor_KilledAsItStarts(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	for i := range c.traces("") {
		in := c.container("sleep")
		trace := c.traces(r.Folder(in.ID))[i]
		killed := make(chan struct{})
		r.OnStep(func(step string) {
			if step == "written" {
				go func() {
					defer close(killed)
					fd := c.awaitMonitor(r.Folder(in.ID))
					awaitFile(trace)
					_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
				}()
			}
		})
		_, err := r.Start(t.Context(), in)
		<-killed
		r.OnStep(func(string) {})
		s := c.await(r, in.ID, func(s agent.Status) bool { return s.State != agent.StateRunning })
		if err != nil && s.State != agent.StateCreated || err == nil && (s.State != agent.StateExited || s.ExitCode != 137 || s.Error == "") {
			t.Errorf("killed at %s: Start said %v; then it was %+v", trace, err, s)
		}
		if n := c.programs(); n > 0 {
			t.Errorf("%d programs run without their monitor", n)
		}
		c.recoversIn(r, in)
	}
}

func TestMonitor_KilledAsItRuns(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("sleep")
	in.Workload.User = "app"
	c.starts(r, in)
	if !signalMonitor(t, r.Folder(in.ID), unix.SIGKILL) {
		t.Fatal("there is no monitor")
	}
	s := c.awaitExit(r, in.ID)
	if s.ExitCode != 137 || s.OOM || s.Finished.Before(s.Started) || !strings.Contains(s.Error, "monitor") {
		t.Errorf("it is %+v", s)
	}
	other := c.open("n")
	if all, err := other.List(t.Context()); err != nil || len(all) != 1 || !all[0].Finished.Equal(s.Finished) || all[0].Error != s.Error {
		t.Errorf("the next agent is told %+v, %v, not %+v", all, err, s)
	}
	c.recoversIn(r, in)
}

func TestMonitor_KilledWhileNoAgentRan(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("sleep")
	c.starts(r, in)
	folder := r.Folder(in.ID)
	c.release()
	if !signalMonitor(t, folder, unix.SIGKILL) {
		t.Fatal("there is no monitor")
	}
	r = c.open("n")
	if s := c.awaitExit(r, in.ID); s.ExitCode != 137 || s.Error == "" {
		t.Errorf("it is %+v", s)
	}
	c.recoversIn(r, in)
}

func TestMonitor_KilledAsItStops(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("ignore", "sleep")
	c.starts(r, in)
	r.OnStep(func(step string) {
		if step == "asked" {
			signalMonitor(t, r.Folder(in.ID), unix.SIGKILL)
		}
	})
	if err := r.Stop(t.Context(), in.ID, "SIGTERM", patience); err != nil {
		t.Fatal(err)
	}
	r.OnStep(func(string) {})
	c.recoversIn(r, in)
}

// TestMonitor_ThatHangs does not answer: what it minds is ended all the same.
func TestMonitor_ThatHangs(t *testing.T) {
	c := newCrash(t)
	r := c.openWith("n", func(cfg *native.Config) { cfg.Slack = 50 * time.Millisecond })
	in := c.container("sleep")
	c.starts(r, in)
	if !signalMonitor(t, r.Folder(in.ID), unix.SIGSTOP) {
		t.Fatal("there is no monitor")
	}
	if err := r.Stop(t.Context(), in.ID, "SIGTERM", 0); err != nil {
		t.Fatal(err)
	}
	c.ends(r, in)
}

// TestMonitor_ThatIsNotToBeReached has lost its socket: the same.
func TestMonitor_ThatIsNotToBeReached(t *testing.T) {
	c := newCrash(t)
	r := c.openWith("n", func(cfg *native.Config) { cfg.Slack = 50 * time.Millisecond })
	in := c.container("sleep")
	c.starts(r, in)
	if err := os.Remove(filepath.Join(r.Folder(in.ID), "control.sock")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Exec(t.Context(), in.ID, agent.Exec{Command: []string{"/program"}}); err == nil {
		t.Error("a command ran without the monitor")
	}
	if err := r.Stop(t.Context(), in.ID, "SIGTERM", patience); err != nil {
		t.Fatal(err)
	}
	c.ends(r, in)
}

// TestMonitor_StillStartsAsAnAgentComes is stopped in the middle of a start:
// the new agent waits for what becomes of it.
func TestMonitor_StillStartsAsAnAgentComes(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in, first := c.halfStarted(r)
	next := c.open("n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if s, err := next.Start(ctx, in); err == nil {
		t.Errorf("a second start came through: %+v", s)
	}
	if !signalMonitor(t, r.Folder(in.ID), unix.SIGCONT) {
		t.Fatal("there is no monitor")
	}
	second := c.starts(next, in)
	if s := <-first; !s.Started.Equal(second.Started) || c.programs() != 1 {
		t.Errorf("two starts made\n%+v\n%+v", s, second)
	}
	c.ends(next, in)
}

// TestMonitor_ThatAnAgentDoesNotKnowOf was started after the agent looked: to
// start another is to find it.
func TestMonitor_ThatAnAgentDoesNotKnowOf(t *testing.T) {
	c := newCrash(t)
	one := c.open("n")
	in := c.container("sleep")
	c.starts(one, in)
	if err := one.Stop(t.Context(), in.ID, "SIGKILL", 0); err != nil {
		t.Fatal(err)
	}
	two := c.open("n")
	if _, err := two.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := c.starts(one, in)
	if second := c.starts(two, in); !second.Started.Equal(first.Started) || c.programs() != 1 {
		t.Errorf("the second agent has\n%+v\nof\n%+v", second, first)
	}
	c.ends(two, in)
}

// noted is whether the file has a content.
func noted(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// halfStarted is a container whose monitor has its lock, has not started the
// program, and was stopped there. It is tried until one was.
func (c *crash) halfStarted(r *native.Runtime) (agent.Container, <-chan agent.Status) {
	for {
		in := c.container("sleep")
		folder, first, stopped := r.Folder(in.ID), make(chan agent.Status, 1), make(chan struct{})
		r.OnStep(func(step string) {
			if step == "written" {
				go func() {
					defer close(stopped)
					fd := c.awaitMonitor(folder)
					awaitFile(filepath.Join(folder, "control.sock"))
					_ = unix.PidfdSendSignal(fd, unix.SIGSTOP, nil, 0)
				}()
			}
		})
		go func() { first <- c.starts(r, in) }()
		<-stopped
		if !noted(filepath.Join(folder, "started.json")) {
			return in, first
		}
		signalMonitor(c.t, folder, unix.SIGCONT)
		<-first
		c.ends(r, in)
	}
}

// awaitMonitor is the monitor of a folder as soon as there is one.
func (c *crash) awaitMonitor(folder string) (pidfd int) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if fd := monitorOf(c.t, folder); fd >= 0 {
			return fd
		}
	}
	c.t.Error("there is no monitor")
	return -1
}
