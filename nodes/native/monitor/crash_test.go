//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

// empty is whether no process is in the container's group.
func (r *rig) empty() bool {
	h, err := cgroup.Mounted()
	r.must(err)
	roots := []string{h.Unified}
	for _, root := range h.Controllers {
		roots = append(roots, root)
	}
	for _, root := range roots {
		if b, err := os.ReadFile(filepath.Join(root, r.cfg.Cgroup, "cgroup.procs")); err == nil && len(b) > 0 {
			return false
		}
	}
	return true
}

func (r *rig) eventually(what string, is func() bool) {
	r.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("%v: waited for %s", patience, what)
		}
	}
}

func (r *rig) crash() {
	r.Helper()
	r.must(r.process.Kill())
	_, err := r.process.Wait()
	r.must(err)
	r.process = nil
}

func TestCrash_TheContainerDiesWithItsMonitor(t *testing.T) {
	for _, init := range []bool{true, false} {
		r := newRig(t, "ignore")
		r.cfg.Init = init
		r.start()
		r.awaitOutput("ready")
		r.crash()
		r.eventually("the processes to end", r.empty)
		r.must(cgroup.Remove(r.cfg.Cgroup))
		r.gone()
		if _, err := os.Stat(filepath.Join(r.folder, "exit.json")); err == nil {
			t.Error("it is said how it ended")
		}
		r.cfg.Args = []string{"probe", "exit", "4"}
		if e, _ := r.finish(); e.Code != 4 || e.Life != 2 {
			t.Errorf("init %v: the next life: %+v", init, e)
		}
	}
}

// With its user a program loses what ties it to its parent. A first process of
// ours keeps that; without one, the agent ends what is left.
func TestCrash_AProgramThatBecameAnotherUser(t *testing.T) {
	for _, init := range []bool{true, false} {
		r := newRig(t, "drop")
		r.cfg.Init = init
		r.start()
		r.awaitOutput("ready")
		r.crash()
		if init {
			r.eventually("the processes to end", r.empty)
		}
		r.must(cgroup.Kill(r.cfg.Cgroup))
		if !r.empty() {
			t.Errorf("init %v: it lives on", init)
		}
		r.must(cgroup.Remove(r.cfg.Cgroup))
		r.gone()
	}
}

// A monitor is killed at every moment of its start, as near as a clock can tell.
func TestCrash_AtAnyMomentOfTheStart(t *testing.T) {
	r := newRig(t, "sleep")
	r.start()
	r.stop("SIGKILL", 0)
	for delay := time.Duration(0); delay < 20*time.Millisecond; delay += 500 * time.Microsecond {
		r.killAfter(delay)
		r.must(cgroup.Kill(r.cfg.Cgroup))
		r.must(cgroup.Remove(r.cfg.Cgroup))
		r.gone()
	}
	r.cfg.Args = []string{"probe", "exit", "4"}
	if e, _ := r.finish(); e.Code != 4 {
		t.Errorf("%+v", e)
	}
}

// The same for its end: either it is told how that was, or nothing is.
func TestCrash_AtAnyMomentOfTheEnd(t *testing.T) {
	r := newRig(t, "sleep")
	for delay := time.Duration(0); delay < 8*time.Millisecond; delay += 500 * time.Microsecond {
		s := r.start()
		r.awaitOutput("ready")
		c := r.ask(bundle.Request{Op: bundle.OpStop, Signal: "SIGTERM", Grace: patience})
		time.Sleep(delay)
		_ = r.process.Kill() // it may have ended
		_, err := r.process.Wait()
		r.must(err)
		r.process = nil
		c.Close()
		r.eventually("the processes to end", r.empty)
		r.must(cgroup.Remove(r.cfg.Cgroup))
		r.gone()
		var e bundle.Exit
		if b, err := os.ReadFile(filepath.Join(r.folder, "exit.json")); err == nil {
			r.must(json.Unmarshal(b, &e))
		}
		if e.Life > s.Life || e.Life == s.Life && e.Code != 0 && e.Code != 128+15 { // it may not listen yet
			t.Errorf("after %v of life %d: %+v", delay, s.Life, e)
		}
	}
}

// killAfter starts a monitor and kills it.
func (r *rig) killAfter(delay time.Duration) {
	r.Helper()
	ready, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	r.must(err)
	defer ready.Close()
	cmd := exec.Cmd{
		Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), built.monitor.Fd()),
		Args: []string{launch.Name, r.folder}, Dir: "/", Env: []string{"GOMAXPROCS=1"},
		ExtraFiles: []*os.File{ready},
	}
	r.must(cmd.Start())
	time.Sleep(delay)
	r.must(cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		r.Error("the monitor ended by itself")
	}
}
