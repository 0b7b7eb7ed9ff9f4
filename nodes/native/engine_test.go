package native_test

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/image"
)

// machine is what the nodes of a test share: a folder, a store of images and a
// registry.
type machine struct {
	testing.TB
	dir   string
	store *images.Store
	reg   *image.Registry
	// ref is the test program's image.
	ref string
	log *slog.Logger

	networks map[string]*bridge.Network
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	if built.why != "" {
		t.Skip(built.why)
	}
	m := &machine{TB: t, dir: t.TempDir(), reg: image.NewRegistry(t), networks: map[string]*bridge.Network{}}
	m.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	store, err := images.Open(images.Config{Dir: filepath.Join(m.dir, "images"), Log: m.log, Limits: images.Limits{Reserve: -1}})
	if err != nil {
		t.Fatal(err)
	}
	m.store = store
	t.Cleanup(func() { store.Close() })
	m.ref = m.reg.Push(t, "test/program:1", image.Program(t, "1"))
	return m
}

// network is a node's bridge; it goes with the test.
func (m *machine) network(node string) *bridge.Network {
	if n, ok := m.networks[node]; ok {
		return n
	}
	key := native.Key(m.dir, "test", node)
	n, err := bridge.Open(bridge.Config{Dir: filepath.Join(m.dir, "bridge", node), Key: key, Log: m.log})
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		if err := n.Close(true); err != nil {
			m.Errorf("closing the bridge: %v", err)
		}
	})
	m.Cleanup(func() {
		if err := cgroup.Remove("/bayplan/" + key); err != nil {
			m.Errorf("control groups are left: %v", err)
		}
	})
	m.networks[node] = n
	return n
}

func (m *machine) config(node string) native.Config {
	return native.Config{
		Dir: m.dir, Cluster: "test", Node: node, Images: m.store, Log: m.log,
		Monitor: func() (io.ReadCloser, error) { return os.Open(built.monitor) },
	}
}

// open opens a node with a bridge.
func (m *machine) open(t testing.TB, node string) *native.Runtime {
	t.Helper()
	cfg := m.config(node)
	cfg.Network = m.network(node)
	return openRuntime(t, cfg)
}

func openRuntime(t testing.TB, cfg native.Config) *native.Runtime {
	t.Helper()
	r, err := native.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestRuntime_KeepsTheContract(t *testing.T) {
	m := newMachine(t)
	runtimetest.Run(t, runtimetest.Engine{
		Runtime:  func(t *testing.T, node string) agent.Runtime { return m.open(t, node) },
		Program:  m.program,
		Missing:  m.reg.Addr() + "/test/missing:1",
		FreePort: freePort,
	})
	m.leavesNothing()
}

func (m *machine) program(w *schema.Workload, steps ...string) {
	w.Image, w.Pinned, w.Args = m.reg.Addr()+"/test/program:1", m.ref, steps
}

// leavesNothing is for the end of a test that removed what it made.
func (m *machine) leavesNothing() {
	m.Helper()
	left, err := os.ReadDir(filepath.Join(m.dir, "containers"))
	if err != nil {
		m.Error(err)
	}
	for _, e := range left {
		m.Errorf("%s is left", e.Name())
	}
}
