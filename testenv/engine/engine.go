package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/client"
)

// Engine is a dockerd. Its methods fail the test that made it.
type Engine struct {
	t     *testing.T
	dir   string
	netns string
	args  []string
	api   *client.Client

	daemon *exec.Cmd
	ended  chan struct{}
}

// upWithin is how long a dockerd may take to answer: one here takes 0.8 s.
const upWithin = 30 * time.Second

// New starts an Engine with these more arguments ("--live-restore"), and stops
// it, its containers and all when the test ends. It needs root and dockerd, and
// takes seconds: the test is skipped unless BAYPLAN_TEST_ENGINE is "required", as
// testenv/engine.sh sets it.
func New(t *testing.T, args ...string) *Engine {
	t.Helper()
	if os.Getenv("BAYPLAN_TEST_ENGINE") != "required" {
		t.Skip("a Docker Engine of the test's own: testenv/engine.sh run go test")
	}
	dir, err := os.MkdirTemp("", "bayplan-dockerd") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{t: t, dir: dir, netns: "bayplan-" + strings.ToLower(rand.Text()[:10]), args: args}
	t.Cleanup(e.dismantle)
	e.run("ip", "netns", "add", e.netns)
	e.run("ip", "-n", e.netns, "link", "set", "lo", "up")
	if e.api, err = client.New(client.WithHost(e.Host())); err != nil {
		t.Fatal(err)
	}
	e.Start()
	return e
}

// Host is its address, as DOCKER_HOST has it.
func (e *Engine) Host() string { return "unix://" + filepath.Join(e.dir, "docker.sock") }

// Client is a plain client of it.
func (e *Engine) Client() *client.Client { return e.api }

// Start starts the daemon and returns once it answers.
func (e *Engine) Start() {
	e.t.Helper()
	if err := e.start(); err != nil {
		e.t.Fatal(err)
	}
}

// start does not use `ip netns exec`, which hides the cgroups.
func (e *Engine) start() error {
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{
		"--net=/run/netns/" + e.netns, "dockerd", "-H", e.Host(), "--data-root", filepath.Join(e.dir, "data"),
		"--exec-root", filepath.Join(e.dir, "exec"), "--pidfile", filepath.Join(e.dir, "pid"),
	}, e.args...)
	e.daemon = exec.Command("nsenter", args...)
	e.daemon.Stdout, e.daemon.Stderr = log, log
	e.daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := e.daemon.Start(); err != nil {
		return err
	}
	daemon, ended := e.daemon, make(chan struct{})
	e.ended = ended
	go func() {
		defer close(ended)
		daemon.Wait()
	}()
	return e.awaitUp()
}

func (e *Engine) awaitUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), upWithin)
	defer cancel()
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		if _, err := e.api.Ping(ctx, client.PingOptions{}); err == nil {
			return nil
		}
		select {
		case <-every.C:
		case <-e.ended:
			return fmt.Errorf("dockerd ended: %s", e.log())
		case <-ctx.Done():
			return fmt.Errorf("dockerd did not come up: %s", e.log())
		}
	}
}

func (e *Engine) log() string {
	b, err := os.ReadFile(filepath.Join(e.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// Stop ends the daemon in order. Its containers end with it, unless it keeps
// them ("--live-restore").
func (e *Engine) Stop() { e.end(syscall.SIGTERM) }

// Kill ends the daemon as a crash would; its containerd dies with it. A new
// daemon would take that one's corpse for alive, so Kill waits until it is gone.
func (e *Engine) Kill() {
	e.t.Helper()
	pid, err := os.ReadFile(filepath.Join(e.dir, "exec/containerd/containerd.pid"))
	if err != nil {
		e.t.Fatal(err)
	}
	e.end(syscall.SIGKILL)
	e.poll("containerd outlives its dockerd", func() bool {
		_, err := os.Stat("/proc/" + string(pid))
		return err != nil
	})
}

func (e *Engine) end(s syscall.Signal) {
	e.t.Helper()
	e.signal(s)
	select {
	case <-e.ended:
	case <-time.After(upWithin):
		e.t.Fatalf("dockerd did not end by %v: %s", s, e.log())
	}
}

// Freeze makes the Engine hang: connections are taken and nothing is answered.
// It returns once the last of its threads stands still.
func (e *Engine) Freeze() {
	e.t.Helper()
	e.signal(syscall.SIGSTOP)
	e.poll("dockerd does not freeze", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", e.daemon.Process.Pid))
		return !slices.ContainsFunc(threads, moves)
	})
}

// moves is whether a thread is in any state but stopped.
func moves(stat string) bool {
	b, err := os.ReadFile(stat)
	_, state, _ := strings.Cut(string(b), ") ")
	return err == nil && !strings.HasPrefix(state, "T")
}

// poll looks until done, for what no event tells of.
func (e *Engine) poll(trouble string, done func() bool) {
	e.t.Helper()
	for range 500 {
		if done() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	e.t.Fatalf("%s: %s", trouble, e.log())
}

// Thaw ends Freeze.
func (e *Engine) Thaw() { e.signal(syscall.SIGCONT) }

func (e *Engine) signal(s syscall.Signal) {
	e.t.Helper()
	if err := e.daemon.Process.Signal(s); err != nil {
		e.t.Fatalf("%v to dockerd: %v", s, err)
	}
}

// Load puts an image into the Engine, which reaches no registry, under a tag.
func (e *Engine) Load(tag string, img v1.Image) {
	e.t.Helper()
	ref, err := name.NewTag(tag)
	if err != nil {
		e.t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(tarball.Write(ref, img, w)) }()
	res, err := e.api.ImageLoad(e.t.Context(), r)
	if err != nil {
		e.t.Fatalf("loading %s: %v", tag, err)
	}
	defer res.Close()
	if _, err := io.Copy(io.Discard, res); err != nil {
		e.t.Fatalf("loading %s: %v", tag, err)
	}
}

// Namespace is the file of its network namespace, for a test that has to go in.
func (e *Engine) Namespace() string { return "/run/netns/" + e.netns }

func (e *Engine) run(command string, args ...string) {
	e.t.Helper()
	if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
		e.t.Fatalf("%s %s: %v: %s", command, strings.Join(args, " "), err, out)
	}
}
