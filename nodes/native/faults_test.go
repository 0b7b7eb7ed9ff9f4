package native_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/schema"
)

func wantFailure(t *testing.T, err error, code nodes.FailureCode, text string) {
	t.Helper()
	e, ok := errors.AsType[*agent.Error](err)
	if !ok || e.Failure.Code != code || !strings.Contains(e.Failure.Text, text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

func TestStart_FailsWithItsReason(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	for what, test := range map[string]struct {
		change func(*schema.Workload)
		code   nodes.FailureCode
		text   string
	}{
		"no such user":    {func(w *schema.Workload) { w.User = "nobody-here" }, nodes.StartFailed, "nobody-here"},
		"no such group":   {func(w *schema.Workload) { w.User = "app:none-here" }, nodes.StartFailed, "none-here"},
		"no such program": {func(w *schema.Workload) { w.Command = []string{"/none"} }, nodes.CommandNotFound, "/none"},
		"no program":      {func(w *schema.Workload) { w.Command = []string{"/etc/passwd"} }, nodes.CommandNotFound, "/etc/passwd"},
	} {
		in := c.container("sleep")
		test.change(in.Workload)
		_, err := r.Start(t.Context(), in)
		wantFailure(t, err, test.code, test.text)
		all, err := r.List(t.Context())
		if err != nil || len(all) != 1 || all[0].State != agent.StateCreated || !strings.Contains(all[0].Error, test.text) {
			t.Errorf("%s: then it is %+v, %v", what, all, err)
		}
		c.ends(r, in)
	}
}

func TestStart_WithoutABridge(t *testing.T) {
	c := newCrash(t)
	r := c.openWith("n", func(cfg *native.Config) { cfg.Network = nil })
	in := c.container("sleep")
	_, err := r.Start(t.Context(), in)
	wantFailure(t, err, nodes.StartFailed, `order network "host"`)
	in.Workload.Network = schema.Host
	c.starts(r, in)
	c.ends(r, in)
}

func TestStart_ThatIsGivenUp(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("sleep")
	ctx, cancel := context.WithCancel(t.Context())
	r.OnStep(func(step string) {
		if step == "written" {
			cancel()
		}
	})
	if _, err := r.Start(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.OnStep(func(string) {})
	if n := c.programs(); n > 0 {
		t.Errorf("%d programs run", n)
	}
	c.recoversIn(r, in)
}

func TestStart_OnAHostPortInUse(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("sleep")
	in.Workload.Network, in.Workload.Ports = schema.Host, map[string]schema.Port{"http": {}}
	port := freePort(t)
	in.Ports = map[string]int{"http": port}
	taken := listen(t, port)
	_, err := r.Start(t.Context(), in)
	wantFailure(t, err, nodes.PortInUse, "in use")
	taken.Close()
	c.starts(r, in)
	c.ends(r, in)
}

// A program that is told its port by the agent listens on every address, whatever
// the node publishes on.
func TestStart_OnAChosenPortInUseOnAnotherAddress(t *testing.T) {
	c := newCrash(t)
	r := c.openWith("n", func(cfg *native.Config) { cfg.PublishIP = "127.0.0.1" })
	in := c.container("sleep")
	in.Workload.Network = schema.Host
	port := freePort(t)
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	in.Ports = map[string]int{"http": port}
	in.Workload.Ports = map[string]schema.Port{"http": {}}
	_, err = r.Start(t.Context(), in)
	wantFailure(t, err, nodes.PortInUse, "in use")
	in.Workload.Ports = map[string]schema.Port{"http": {Host: port}} // its own wish: it knows its address
	c.starts(r, in)
	c.ends(r, in)
}

func TestStop_OfASignalThatIsNone(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	if err := r.Stop(t.Context(), "any", "SIGNONE", 0); err == nil || !strings.Contains(err.Error(), "SIGNONE") {
		t.Errorf("got %v", err)
	}
}

// TestStop_ThatIsGivenUp has killed nobody: the grace of the program goes on.
func TestStop_ThatIsGivenUp(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("ignore", "echo", "deaf", "sleep")
	c.starts(r, in)
	c.awaitOutput(r, in.ID, "deaf\n")
	ctx, cancel := context.WithCancel(t.Context())
	r.OnStep(func(string) { cancel() })
	if err := r.Stop(ctx, in.ID, "SIGTERM", patience); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.OnStep(func(string) {})
	if n := c.programs(); n != 1 {
		t.Errorf("%d programs run", n)
	}
	c.ends(r, in) // a harder stop is not kept waiting by the first
}

// TestAdopt_ClearsWhatIsOfNobody makes what a crash or a power cut may leave,
// ours and another node's.
func TestAdopt_ClearsWhatIsOfNobody(t *testing.T) {
	c := newCrash(t)
	r, other := c.open("n"), c.open("other")
	in, theirs := c.container("exit", "0"), c.container("sleep")
	c.starts(r, in)
	c.awaitExit(r, in.ID)
	c.starts(other, theirs)
	broken := r.Folder("broken")
	for _, dir := range []string{
		broken, filepath.Join(filepath.Dir(broken), ".new-"+filepath.Base(broken)), filepath.Join(filepath.Dir(broken), ".gone-"+filepath.Base(broken)),
		"/sys/fs/cgroup/memory" + r.Group() + "/orphan/below",
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(broken, "config.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	next := c.open("n")
	if all, err := next.List(t.Context()); err != nil || len(all) != 1 || all[0].ID != in.ID {
		t.Errorf("listed %+v, %v", all, err)
	}
	if all, err := other.List(t.Context()); err != nil || len(all) != 1 || all[0].State != agent.StateRunning {
		t.Errorf("the other node lists %+v, %v", all, err)
	}
	if err := errors.Join(other.Stop(t.Context(), theirs.ID, "SIGKILL", 0), other.Remove(t.Context(), theirs.ID)); err != nil {
		t.Error(err)
	}
	c.ends(next, in)
}

func TestInfo_SaysWhatIsMissing(t *testing.T) {
	c := newCrash(t)
	r := c.openWith("n", func(cfg *native.Config) {
		cfg.Monitor = func() (io.ReadCloser, error) { return nil, errors.New("none was built") }
	})
	_, err := r.Info(t.Context())
	wantFailure(t, err, nodes.EngineDown, "none was built")
	wantFailure(t, err, nodes.EngineDown, "make build")
	_, err = r.Start(t.Context(), c.container("sleep"))
	wantFailure(t, err, nodes.EngineDown, "none was built")
	if p := native.Check("/proc", nil); len(p) != 1 || !strings.Contains(p[0].What, "/proc") || p[0].Mend == "" {
		t.Errorf("on /proc: %v", p)
	}
	if p := native.Check("/dev/shm/not/yet", nil); len(p) > 0 {
		t.Errorf("on a machine that can: %v", p)
	}
}

// TestLogs_FollowOverARotation prints more than one file takes, and no more than
// all that are kept.
func TestLogs_FollowOverARotation(t *testing.T) {
	const lines = 300_000
	c := newCrash(t)
	r := c.open("n")
	in := c.container("print", strconv.Itoa(lines))
	c.starts(r, in)
	var b bytes.Buffer
	if err := r.Logs(t.Context(), in.ID, agent.LogOptions{Follow: true, Tail: -1}, &b); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(got) != lines+1 || got[0] != c.mark || got[lines] != "line "+strconv.Itoa(lines) {
		t.Errorf("%d lines, the last is %q", len(got), got[len(got)-1])
	}
	if files, _ := os.ReadDir(filepath.Join(r.Folder(in.ID), "log")); len(files) < 2 {
		t.Errorf("there was no rotation: %v", files)
	}
	c.ends(r, in)
}

// TestLogs_OfAReaderThatLeaves ends, and nothing waits on for the container.
func TestLogs_OfAReaderThatLeaves(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("sleep")
	c.starts(r, in)
	c.awaitOutput(r, in.ID, c.mark)
	before, gone := goleak.IgnoreCurrent(), errors.New("gone")
	if err := r.Logs(t.Context(), in.ID, agent.LogOptions{Follow: true, Tail: -1}, leaver{gone}); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	goleak.VerifyNone(t, before)
	c.ends(r, in)
}

type leaver struct{ err error }

func (l leaver) Write([]byte) (int, error) { return 0, l.err }

func TestStats_OfWhatRuns(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("sleep")
	c.starts(r, in)
	s, err := r.Stats(t.Context(), in.ID)
	if err != nil || s.Memory <= 0 || s.Pids <= 0 || s.CPU <= 0 {
		t.Errorf("it takes %+v, %v", s, err)
	}
	c.ends(r, in)
	if _, err := r.Stats(t.Context(), in.ID); err == nil {
		t.Error("what is gone takes something")
	}
}

// TestExec_EndsWithItsContext leaves nothing behind in the container.
func TestExec_EndsWithItsContext(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("sleep")
	c.starts(r, in)
	ctx, cancel := context.WithCancel(t.Context())
	w := writer(func([]byte) { cancel() })
	_, err := r.Exec(ctx, in.ID, agent.Exec{Command: []string{steps.Path, "echo", c.mark, "sleep"}, Stdout: w})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for deadline := time.Now().Add(patience); c.programs() > 1; {
		if time.Now().After(deadline) {
			t.Fatal("the command runs on")
		}
	}
	c.ends(r, in)
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// TestVolume_BeginsAsTheImageHasIt writes as a user that is not root to what the
// image lets everybody write to, reads what the image has, and may not write it.
func TestVolume_BeginsAsTheImageHasIt(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("write", "/tmp/x", "kept", "read", "/tmp/x", "read", "/etc/group", "write", "/etc/group", "mine")
	in.Workload.Volumes = map[string]schema.Volume{"tmp": {Path: "/tmp"}, "etc": {Path: "/etc"}, "new": {Path: "/new"}}
	in.Workload.User = "app"
	c.starts(r, in)
	s := c.awaitExit(r, in.ID)
	var b bytes.Buffer
	if err := r.Logs(t.Context(), in.ID, agent.LogOptions{Tail: -1}, &b); err != nil {
		t.Fatal(err)
	}
	if s.ExitCode != 1 {
		t.Errorf("it ended with %d", s.ExitCode)
	}
	for _, want := range []string{"kept\n", "root:x:0:\n", "permission denied"} { // two pipes: in no order
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not among\n%s", want, b.String())
		}
	}
	c.ends(r, in)
	for name, want := range map[string]int{"tmp": 1, "etc": 2, "new": 0} {
		all, err := filepath.Glob(filepath.Join(c.dir, "volumes", "*", name, "[a-z]*"))
		if err != nil || len(all) < want {
			t.Errorf("volume %s holds %q, %v", name, all, err)
		}
	}
}

// awaitOutput follows the log until it has the text.
func (c *crash) awaitOutput(r *native.Runtime, id, text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var all strings.Builder
	_ = r.Logs(ctx, id, agent.LogOptions{Follow: true, Tail: -1}, writer(func(p []byte) {
		if all.Write(p); strings.Contains(all.String(), text) {
			cancel()
		}
	}))
	if !strings.Contains(all.String(), text) {
		c.t.Fatalf("the log is %q", all.String())
	}
}
