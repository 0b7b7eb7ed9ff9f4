package native_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/image"
)

// machine is what the nodes of a test share: a folder, a store of images and a
// registry.
type machine struct {
	testing.TB
	dir string
	reg *image.Registry
	// ref is the test program's image.
	ref string
	log *slog.Logger

	// What one process at a time has open, see release.
	store    *images.Store
	networks map[string]*bridge.Network
	runtimes []*native.Runtime
	// nodes are all that ever were.
	nodes map[string]bool
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	if built.why != "" {
		t.Skip(built.why)
	}
	m := &machine{TB: t, dir: t.TempDir(), reg: image.NewRegistry(t), networks: map[string]*bridge.Network{}, nodes: map[string]bool{}}
	m.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	m.ref = m.reg.Push(t, "test/program:1", image.Program(t, "1"))
	t.Cleanup(m.close)
	return m
}

// release lets go of all that one process at a time has open.
func (m *machine) release() {
	m.Helper()
	for _, r := range m.runtimes {
		r.Close()
	}
	for _, n := range m.networks {
		if err := n.Close(false); err != nil {
			m.Error(err)
		}
	}
	if m.store != nil {
		if err := m.store.Close(); err != nil {
			m.Error(err)
		}
	}
	clear(m.networks)
	m.store, m.runtimes = nil, nil
}

// close takes away what a node leaves on purpose: its bridge.
func (m *machine) close() {
	for _, r := range m.runtimes {
		r.Close()
	}
	for node := range m.nodes {
		if err := m.network(node).Close(true); err != nil {
			m.Errorf("closing %s: %v", node, err)
		}
		left, err := filepath.Glob("/sys/fs/cgroup/*/bayplan/" + native.Key(m.dir, "test", node))
		if err != nil || len(left) > 0 {
			m.Errorf("control groups are left: %v, %v", left, err)
		}
	}
	clear(m.networks)
	m.release()
}

func (m *machine) images() *images.Store {
	m.Helper()
	if m.store == nil {
		cfg := images.Config{Dir: filepath.Join(m.dir, "images"), Log: m.log, Limits: images.Limits{Reserve: -1}}
		m.store = once(m, func() (*images.Store, error) { return images.Open(cfg) })
	}
	return m.store
}

func (m *machine) network(node string) *bridge.Network {
	m.Helper()
	m.nodes[node] = true
	if n, ok := m.networks[node]; ok {
		return n
	}
	cfg := bridge.Config{Dir: filepath.Join(m.dir, "bridge", node), Key: native.Key(m.dir, "test", node), Log: m.log}
	m.networks[node] = once(m, func() (*bridge.Network, error) { return bridge.Open(cfg) })
	return m.networks[node]
}

// once opens what one process at a time may have: a process that was killed as it
// forked lets go of it a moment later, when its child executes.
func once[T any](m *machine, open func() (T, error)) T {
	m.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		v, err := open()
		if err == nil {
			return v
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			m.Fatal(err)
		}
	}
}

func (m *machine) config(node string) native.Config {
	return native.Config{
		Dir: m.dir, Cluster: "test", Node: node, Images: m.images(), Network: m.network(node), Log: m.log,
		Monitor: func() (io.ReadCloser, error) { return os.Open(built.monitor) },
	}
}

// open opens a node.
func (m *machine) open(node string) *native.Runtime {
	m.Helper()
	return m.openWith(node, func(*native.Config) {})
}

func (m *machine) openWith(node string, change func(*native.Config)) *native.Runtime {
	m.Helper()
	cfg := m.config(node)
	change(&cfg)
	r, err := native.New(cfg)
	if err != nil {
		m.Fatal(err)
	}
	m.runtimes = append(m.runtimes, r)
	return r
}

// instance is an instance of team/name that takes steps.
func (m *machine) instance(name string, index int, steps ...string) agent.Container {
	w := &schema.Workload{Name: "team/" + name, Kind: schema.Service}
	m.program(w, steps...)
	slot := schema.Slot{Workload: w.Name, Index: index}
	return agent.Container{ID: nodes.InstanceID(slot, w.Digest()), Slot: slot, Digest: w.Digest(), Workload: w}
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
	shared := t.TempDir()
	declare := func(cfg *native.Config) { cfg.HostVolumes = runtimetest.HostVolumes(shared) }
	runtimetest.Run(t, runtimetest.Engine{
		HostVolume: shared,
		Runtime:    func(t *testing.T, node string) agent.Runtime { return m.openWith(node, declare) },
		Program:    m.program,
		Missing:    m.reg.Addr() + "/test/missing:1",
		FreePort:   freePort,
	})
	m.isClean()
}

func (m *machine) program(w *schema.Workload, steps ...string) {
	w.Image, w.Pinned, w.Args = m.reg.Addr()+"/test/program:1", m.ref, steps
}

func listen(t *testing.T, port int) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("0.0.0.0", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	return l
}
