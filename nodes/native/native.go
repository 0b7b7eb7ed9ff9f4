package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/schema"
)

// Config says where the containers are, and whose.
type Config struct {
	// Dir holds the containers and the volumes; it is made if need be. It must
	// be the same from run to run, and on a file system that overlayfs takes.
	// Required.
	Dir string
	// Cluster and Node own the containers. Both are required.
	Cluster, Node string
	// Images is the node's store. Its InUse is [Runtime.ImagesInUse]. Required.
	Images Images
	// Archives is the node's store of them; nil refuses workloads that want one. Its
	// InUse is [Runtime.ArchivesInUse].
	Archives Archives
	// HostPaths are what programs without an image see of the machine, read-only;
	// nil is [HostPaths].
	HostPaths []string
	// Network is the node's bridge; nil refuses workloads that want one.
	Network Network
	// Monitor opens the program that stands by each container; it is read once,
	// when the first container starts. Required.
	Monitor func() (io.ReadCloser, error)
	// HostVolumes are the folders of this machine that workloads may name.
	HostVolumes agent.HostVolumes
	// PublishIP is the address of this machine on which a program on the host's
	// network is expected to listen where its workload names the port: that must
	// be free there. A port that was chosen for it must be free on every address;
	// empty is the same for all.
	PublishIP string
	// StartWithin bounds a monitor's start; zero is 30 s.
	StartWithin time.Duration
	// Slack is how much longer than the grace a monitor may take to stop its
	// container before it is ended itself; zero is 15 s.
	Slack time.Duration
	// Log is where trouble is told that is no call's error; nil is slog's default.
	Log *slog.Logger
}

// Images is what is needed of [images.Store].
type Images interface {
	Pull(ctx context.Context, ref string) (images.Image, error)
	Use(ref string) (image images.Image, release func(), err error)
	List(ctx context.Context) ([]images.Entry, error)
	Prune(ctx context.Context, unusedFor time.Duration) (images.Pruned, error)
	SetRegistries(cluster []schema.Registry)
	Fetched(ref string) (done, total int64, ok bool)
}

// Network is what is needed of [bridge.Network].
type Network interface {
	Attach(ctx context.Context, id string, ports []bridge.Port) (bridge.Attachment, error)
	Detach(ctx context.Context, id string) error
	Sweep(ctx context.Context, alive []string) error
}

// Runtime is one node's containers.
type Runtime struct {
	cfg     Config
	names   names
	publish netip.Addr
	monitor *program
	told    hub
	outputs *outputs
	// step is called with the name of each step that leaves a trace; for tests
	// that die there.
	step func(string)

	// ctx ends with Close; minding are those who wait for a monitor's end.
	ctx     context.Context
	cancel  context.CancelFunc
	minding sync.WaitGroup
	// clearing are the folders that are gone and not yet cleared, slots those at
	// work on them.
	clearing sync.WaitGroup
	slots    chan struct{}

	adopting sync.Mutex
	adopted  bool
	// swept is closed once the network was made to agree with what runs.
	swept chan struct{}

	mu    sync.Mutex
	boxes map[string]*box // by ID
}

var (
	_ agent.Runtime = (*Runtime)(nil)
	_ agent.Fetcher = (*Runtime)(nil)
)

// Both are far more than it takes on a machine that still works.
const (
	usualStart = 30 * time.Second
	usualSlack = 15 * time.Second
)

// New touches nothing yet: what the Dir holds is taken over by the first call.
func New(cfg Config) (*Runtime, error) {
	if cfg.Dir == "" || cfg.Cluster == "" || cfg.Node == "" || cfg.Images == nil || cfg.Monitor == nil {
		return nil, errors.New("native: Config wants a Dir, a Cluster, a Node, Images and a Monitor")
	}
	publish := netip.IPv4Unspecified()
	if cfg.PublishIP != "" {
		var err error
		if publish, err = netip.ParseAddr(cfg.PublishIP); err != nil {
			return nil, fmt.Errorf("native: address to publish ports on: %w", err)
		}
	}
	dir, err := realPath(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("native: %w", err)
	}
	if cfg.HostPaths == nil {
		cfg.HostPaths = HostPaths
	}
	if err := checkHostPaths(cfg.HostPaths, dir); err != nil {
		return nil, fmt.Errorf("native: %w", err)
	}
	if cfg.StartWithin == 0 {
		cfg.StartWithin = usualStart
	}
	if cfg.Slack == 0 {
		cfg.Slack = usualSlack
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	r := &Runtime{
		cfg: cfg, names: newNames(dir, cfg.Cluster, cfg.Node), publish: publish,
		monitor: &program{open: cfg.Monitor}, step: func(string) {}, boxes: map[string]*box{},
		slots: make(chan struct{}, clearers), swept: make(chan struct{}),
	}
	r.outputs = &outputs{log: cfg.Log}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// realPath is the one absolute path of a folder that may not be there yet.
func realPath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// Close lets go of everything; what runs, runs on.
func (r *Runtime) Close() error {
	r.cancel()
	r.minding.Wait()
	r.clearing.Wait()
	r.leaveGroup()
	return errors.Join(r.outputs.close(), r.monitor.close())
}

// leaveGroup removes the node's control group, if there is no container in it.
func (r *Runtime) leaveGroup() {
	h, err := cgroup.Mounted()
	if err != nil {
		return
	}
	for _, root := range append(slices.Collect(maps.Values(h.Controllers)), h.Unified) {
		_ = os.Remove(filepath.Join(root, r.names.group))
	}
}

// Pull makes the image present, or the archive.
func (r *Runtime) Pull(ctx context.Context, image string) error {
	if a, ok := schema.ParseArtifactRef(image); ok {
		return r.pullArchive(ctx, a)
	}
	_, err := r.cfg.Images.Pull(ctx, image)
	return err
}

// Fetched is how far a Pull is.
func (r *Runtime) Fetched(image string) (nodes.Fetched, bool) {
	var done, total int64
	var ok bool
	if a, isArchive := schema.ParseArtifactRef(image); isArchive {
		if r.cfg.Archives != nil {
			done, total, ok = r.cfg.Archives.Fetched(a)
		}
	} else {
		done, total, ok = r.cfg.Images.Fetched(image)
	}
	return nodes.Fetched{Done: schema.Bytes(done), Total: schema.Bytes(total)}, ok
}

// box is the container of an ID; nil if there is none.
func (r *Runtime) box(ctx context.Context, id string) (*box, error) {
	if err := r.adopt(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.boxes[id], nil
}

// all are the containers there are, in no order.
func (r *Runtime) all(ctx context.Context) ([]*box, error) {
	if err := r.adopt(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*box, 0, len(r.boxes))
	for _, b := range r.boxes {
		all = append(all, b)
	}
	return all, nil
}
