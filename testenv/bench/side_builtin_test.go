package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/schema"
)

// builtinSide is the built-in runtime without an agent around it.
type builtinSide struct {
	b   *testing.B
	dir string
	all []agent.Container

	store   *images.Store
	network *bridge.Network
	*native.Runtime
}

// own is the cluster and node of the containers here.
const own = "bench"

func newBuiltin(b *testing.B, image string) *builtinSide {
	b.Helper()
	if _, err := monitorOnce(); err != nil { // that is no part of a start
		b.Fatal(err)
	}
	s := &builtinSide{b: b, dir: b.TempDir()}
	for i := range inTurn {
		s.all = append(s.all, sample(image, i))
	}
	b.Cleanup(s.clean)
	s.open()
	if err := s.Pull(life, image); err != nil {
		b.Fatal(err)
	}
	return s
}

// sample is what every side runs, in an agent's words.
func sample(image string, i int) agent.Container {
	w := &schema.Workload{
		Name: "bench/sleep", Kind: schema.Service, Image: image, Pinned: image, Network: schema.Host,
		Resources: schema.Resources{Limit: schema.Limits{Memory: memoryLimit, CPU: 1000, Pids: pidsLimit}},
	}
	slot := schema.Slot{Workload: w.Name, Index: i}
	return agent.Container{ID: nodes.InstanceID(slot, w.Digest()), Slot: slot, Digest: w.Digest(), Workload: w}
}

// open is what a starting agent does before it knows its containers.
func (s *builtinSide) open() {
	s.b.Helper()
	if err := s.tryOpen(); err != nil {
		s.b.Fatal(err)
	}
}

func (s *builtinSide) tryOpen() (err error) {
	quiet := slog.New(slog.DiscardHandler)
	if s.store, err = images.Open(images.Config{Dir: filepath.Join(s.dir, "images"), Log: quiet, Limits: images.Limits{Reserve: -1}}); err != nil {
		return err
	}
	if s.network, err = bridge.Open(bridge.Config{Dir: filepath.Join(s.dir, "bridge"), Key: native.Key(s.dir, own, own), Log: quiet}); err != nil {
		return err
	}
	s.Runtime, err = native.New(native.Config{
		Dir: s.dir, Cluster: own, Node: own, Images: s.store, Network: s.network, Log: quiet,
		Monitor: func() (io.ReadCloser, error) { return openMonitor() },
	})
	return err
}

func (s *builtinSide) close(retire bool) error {
	return errors.Join(s.Runtime.Close(), s.network.Close(retire), s.store.Close())
}

// clean leaves nothing behind, whatever became of the benchmark.
func (s *builtinSide) clean() {
	for i := range s.all {
		if err := s.end(context.Background(), i); err != nil {
			s.b.Error(err)
		}
	}
	if err := s.close(true); err != nil {
		s.b.Error(err)
	}
}

func (s *builtinSide) start(ctx context.Context, i int) error {
	_, err := s.Start(ctx, s.all[i])
	return err
}

func (s *builtinSide) end(ctx context.Context, i int) error {
	if err := s.Stop(ctx, s.all[i].ID, "SIGKILL", 0); err != nil {
		return err
	}
	return s.Remove(ctx, s.all[i].ID)
}

// used needs the lives to be over: monitors are our children.
func (s *builtinSide) used() time.Duration { return ourTime() }

// ourTime is this process's and that of its children that have ended.
func ourTime() (used time.Duration) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			used += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return used
}

// adopt is how long an agent that starts takes to know all that runs.
func (s *builtinSide) adopt() time.Duration {
	s.b.Helper()
	if err := s.close(false); err != nil {
		s.b.Fatal(err)
	}
	began := time.Now()
	s.open()
	found, err := s.List(life)
	took := time.Since(began)
	if err != nil || len(found) != inTurn {
		s.b.Fatalf("%d containers were found, %v", len(found), err)
	}
	for _, c := range found {
		if c.State != agent.StateRunning {
			s.b.Fatalf("%s does not run", c.ID)
		}
	}
	return took
}

// openMonitor opens the program that stands by each container, which is built
// once as `make build` does it.
func openMonitor() (io.ReadCloser, error) {
	path, err := monitorOnce()
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

var monitorOnce = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "bayplan-monitor")
	cmd := exec.Command("go", "build", "-tags", "netgo,osusergo", "-ldflags", `-s -w -linkmode external -extldflags "-static"`,
		"-o", path, "../../nodes/native/monitor/bayplan-monitor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the monitor: %w\n%s", err, out)
	}
	return path, nil
})

// proportional is a process's PSS in MB of a million bytes: what it shares with
// others counts in parts.
func proportional(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if n, err := fmt.Sscanf(line, "Pss: %f kB", &kib); n == 1 && err == nil {
			return kib * 1024 / 1e6
		}
	}
	b.Fatalf("no Pss in /proc/%d/smaps_rollup", pid)
	return 0
}
