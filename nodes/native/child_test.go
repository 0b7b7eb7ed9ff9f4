package native_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/images"
)

// childJob is what a process that is to die does: a test binary that finds it in
// its environment is that process.
type childJob struct {
	Dir, Node, Monitor string
	Container          agent.Container
	// Verb is "start", "stop", "remove" or "lease", which is an agent's.
	Verb string
	// DieAt is the step; with When, it dies as soon as that file is there after it.
	DieAt, When string
}

// patience is for what takes milliseconds on a machine that is not busy.
const patience = 30 * time.Second

const childEnv = "BAYPLAN_NATIVE_TEST_CHILD"

// child does its job and dies on the way; that it comes to its end is a failure
// of whoever chose the step.
func child(text string) error {
	var j childJob
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store, err := images.Open(images.Config{Dir: filepath.Join(j.Dir, "images"), Log: log, Limits: images.Limits{Reserve: -1}})
	if err != nil {
		return err
	}
	network, err := bridge.Open(bridge.Config{Dir: filepath.Join(j.Dir, "bridge", j.Node), Key: native.Key(j.Dir, "test", j.Node), Log: log})
	if err != nil {
		return err
	}
	r, err := native.New(native.Config{
		Dir: j.Dir, Cluster: "test", Node: j.Node, Images: store, Network: network, Log: log,
		Monitor: func() (io.ReadCloser, error) { return os.Open(j.Monitor) },
	})
	if err != nil {
		return err
	}
	r.OnStep(func(step string) {
		switch {
		case step != j.DieAt:
		case j.When == "":
			die()
		default:
			go func() {
				awaitFile(j.When)
				die()
			}()
		}
	})
	if err := j.do(context.Background(), r); err != nil {
		return err
	}
	if j.When != "" {
		<-time.After(patience) // it appears, or this process should not end well
	}
	return errors.New("it lives")
}

// awaitFile waits for what appears for no longer than a moment: nothing but
// looking all the time will do. What a file is made for is its content, if it will
// have one.
func awaitFile(path string) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); runtime.Gosched() {
		info, err := os.Lstat(path)
		if err == nil && (info.Size() > 0 || filepath.Base(path) != "started.json") {
			return
		}
	}
}

// traces are what a monitor makes on its way, in its order.
func (c *crash) traces(folder string) []string {
	all := []string{"monitor.log", "started.json", "log/00000001.log", "control.sock"}
	for i, name := range all {
		all[i] = filepath.Join(folder, name)
	}
	h, err := cgroup.Mounted()
	if err != nil {
		c.t.Fatal(err)
	}
	group := filepath.Join("/bayplan", native.Key(c.dir, "test", "n"), filepath.Base(folder))
	for _, root := range []string{h.Controllers["cpuset"], h.Controllers["memory"], h.Unified} {
		if root != "" {
			all = append(all, filepath.Join(root, group))
		}
	}
	return all
}

func die() { syscall.Kill(os.Getpid(), syscall.SIGKILL) }

func (j *childJob) do(ctx context.Context, r *native.Runtime) error {
	switch j.Verb {
	case "stop":
		return r.Stop(ctx, j.Container.ID, "SIGTERM", time.Second)
	case "remove":
		return r.Remove(ctx, j.Container.ID)
	case "lease":
		return j.lease(ctx, r)
	}
	_, err := r.Start(ctx, j.Container)
	return err
}

// dies runs the job in a process of its own, which has to die of it.
func (j childJob) dies(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(me)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	out, err := cmd.CombinedOutput()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the agent did not die at %q: %v\n%s", j.DieAt, err, out)
	}
}
