//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

// patience is for what takes milliseconds on a machine that is not busy.
const patience = 30 * time.Second

// rig is one container.
type rig struct {
	testing.TB
	folder  string
	cfg     bundle.Config
	process *os.Process
}

var count atomic.Int64

// newRig is a container that runs the probe with args, once it is started. What
// is left of it is ended with the test.
func newRig(t testing.TB, args ...string) *rig {
	t.Helper()
	if built.why != "" {
		t.Skip(built.why)
	}
	r := &rig{TB: t, folder: t.TempDir(), cfg: bundle.Config{
		ID: "test", Layers: []string{built.layer}, Args: append([]string{"probe"}, args...),
		Env: []string{"PATH=/bin"}, Hostname: "box", Init: true,
		Cgroup: fmt.Sprintf("/bayplan-test-%d/%d", os.Getpid(), count.Add(1)),
	}}
	t.Cleanup(r.clear)
	return r
}

func (r *rig) clear() {
	if n := r.note(); n != "" {
		r.Errorf("the monitor is not well:\n%s", n)
	}
	if r.process != nil {
		_ = r.process.Kill()
		_, _ = r.process.Wait()
	}
	r.must(cgroup.Kill(r.cfg.Cgroup))
	r.must(cgroup.Remove(filepath.Dir(r.cfg.Cgroup)))
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// begin starts a monitor.
func (r *rig) begin() bundle.Ready {
	r.Helper()
	b, err := json.Marshal(r.cfg)
	r.must(err)
	r.must(os.WriteFile(filepath.Join(r.folder, "config.json"), b, 0o600))
	p, ready, err := launch.Start(built.monitor, r.folder)
	if err != nil {
		r.Fatal(err, r.note())
	}
	r.process = p
	return ready
}

func (r *rig) note() string {
	b, _ := os.ReadFile(filepath.Join(r.folder, launch.Note))
	return string(b)
}

// start wants the program to run.
func (r *rig) start() bundle.Started {
	r.Helper()
	ready := r.begin()
	if ready.Started == nil {
		r.Fatalf("it did not start: %+v", ready.Trouble)
	}
	return *ready.Started
}

// refused wants it not to run, and nothing to be left.
func (r *rig) refused() bundle.Trouble {
	r.Helper()
	ready := r.begin()
	if ready.Trouble == nil {
		r.Fatalf("it started")
	}
	r.gone()
	return *ready.Trouble
}

// ask sends a request.
func (r *rig) ask(q bundle.Request) net.Conn {
	r.Helper()
	dir, err := os.Open(r.folder)
	r.must(err)
	defer dir.Close()
	c, err := net.Dial("unix", fmt.Sprintf("/proc/self/fd/%d/control.sock", dir.Fd()))
	r.must(err)
	r.Cleanup(func() { c.Close() })
	r.must(c.SetDeadline(time.Now().Add(patience)))
	r.must(json.NewEncoder(c).Encode(q))
	return c
}

// exit is the line that ends a connection.
func (r *rig) exit(c net.Conn) bundle.Exit {
	r.Helper()
	var e bundle.Exit
	if err := json.NewDecoder(bufio.NewReader(c)).Decode(&e); err != nil {
		r.Fatal(err, r.note())
	}
	return e
}

// wait is for the monitor's end.
func (r *rig) wait() bundle.Exit {
	r.Helper()
	_, err := r.process.Wait()
	r.must(err)
	r.process = nil
	var e bundle.Exit
	b, err := os.ReadFile(filepath.Join(r.folder, "exit.json"))
	if err != nil {
		r.Fatal(err, r.note())
	}
	r.must(json.Unmarshal(b, &e))
	return e
}

// finish runs the program to its end and returns what it wrote.
func (r *rig) finish() (bundle.Exit, string) {
	r.Helper()
	r.start()
	e := r.wait()
	r.gone()
	return e, r.output()
}

// output is the log without what stands before the text.
func (r *rig) output() string {
	r.Helper()
	files, err := filepath.Glob(filepath.Join(r.folder, "log", "*.log"))
	r.must(err)
	var out strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		r.must(err)
		for line := range strings.Lines(string(b)) {
			if _, text, ok := strings.Cut(line, " F "); ok {
				out.WriteString(text)
			} else if _, text, ok := strings.Cut(line, " P "); ok {
				out.WriteString(strings.TrimSuffix(text, "\n"))
			}
		}
	}
	return out.String()
}

// gone wants that nothing of the container is left on the machine.
func (r *rig) gone() {
	r.Helper()
	names, err := cgroup.List(filepath.Dir(r.cfg.Cgroup))
	r.must(err)
	for _, name := range names {
		if name == filepath.Base(r.cfg.Cgroup) {
			r.Errorf("the control group %s is left", r.cfg.Cgroup)
		}
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	r.must(err)
	if strings.Contains(string(table), r.folder) {
		r.Errorf("a mount is left:\n%s", table)
	}
	// A child of a killed monitor that has not come to its exec holds the lock too.
	r.eventually("the lock to be free", func() bool {
		f, err := os.OpenFile(filepath.Join(r.folder, "started.json"), os.O_CREATE|os.O_RDWR, 0o600)
		r.must(err)
		defer f.Close()
		return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
	})
}

// stop ends the container.
func (r *rig) stop(signal string, grace time.Duration) bundle.Exit {
	r.Helper()
	e := r.exit(r.ask(bundle.Request{Op: bundle.OpStop, Signal: signal, Grace: grace}))
	r.wait()
	r.gone()
	return e
}

// command runs one beside the program and returns its code and outputs.
func (r *rig) command(e bundle.Exec, input string) (int, string, string) {
	r.Helper()
	c := r.ask(bundle.Request{Op: bundle.OpExec, Exec: &e})
	defer c.Close()
	if e.Stdin {
		r.must(bundle.WriteFrames(c, bundle.FrameStdin, []byte(input)))
		if input != "" {
			r.must(bundle.WriteFrames(c, bundle.FrameStdin, nil))
		}
	}
	var out, errs strings.Builder
	for {
		kind, p, err := bundle.ReadFrame(c, nil)
		if errors.Is(err, io.EOF) {
			r.Fatal("it ended without a code", r.note())
		}
		r.must(err)
		switch kind {
		case bundle.FrameStdout:
			out.Write(p)
		case bundle.FrameStderr:
			errs.Write(p)
		case bundle.FrameTrouble:
			return -1, out.String(), string(p)
		case bundle.FrameExit:
			return int(p[3]) | int(p[2])<<8, out.String(), errs.String()
		}
	}
}

// awaitOutput wants the text in the log, and looks at it whenever it changes.
func (r *rig) awaitOutput(text string) {
	r.Helper()
	w, err := fsnotify.NewWatcher()
	r.must(err)
	defer w.Close()
	r.must(w.Add(filepath.Join(r.folder, "log")))
	for late := time.After(patience); !strings.Contains(r.output(), text); {
		select {
		case <-w.Events:
		case err := <-w.Errors:
			r.Fatal(err)
		case <-late:
			r.Fatalf("the output is %q, without %q", r.output(), text)
		}
	}
}
