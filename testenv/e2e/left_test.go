package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"

	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/images"
)

// traces are the marks by which what the built-in runtime made is known, on a
// machine where others make the same: the folder, and a key for each node.
type traces struct {
	dir, cluster string
	keys         []string
	// tags are in the names of links.
	tags []string
}

// traced are those of a cluster that runs.
func traced(t *testing.T, d *dev) *traces {
	t.Helper()
	x := &traces{dir: d.dir, cluster: d.clusterID()}
	for _, f := range folders(d) {
		if key := filepath.Base(filepath.Dir(f.cfg.Cgroup)); !slices.Contains(x.keys, key) {
			x.keys = append(x.keys, key)
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(d.dir, "*", "bridge"))
	for _, dir := range dirs {
		for _, node := range []string{"n1", "n2", "n3"} {
			if key := native.Key(dir, d.clusterID(), node); tagOf(t, key) != "" {
				x.keys, x.tags = append(x.keys, key), append(x.tags, tagOf(t, key))
			}
		}
	}
	return x
}

// tagOf is what the links of a key have in their names: the bridge's alias tells.
func tagOf(t *testing.T, key string) string {
	t.Helper()
	paths, _ := filepath.Glob("/sys/class/net/bp-*/ifalias")
	for _, path := range paths {
		if b, _ := os.ReadFile(path); strings.TrimSpace(string(b)) == "bayplan "+key {
			return strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "bp-")
		}
	}
	return ""
}

// left is all that is on the machine and has one of the marks.
func (x *traces) left(t *testing.T) []string {
	t.Helper()
	return slices.Concat(x.processes(), x.groups(t), x.links(t), x.rules(t))
}

// processes are those that live in a control group of a node, name the folder or
// have something of it mounted.
func (x *traces) processes() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range all {
		for _, file := range []string{"cgroup", "cmdline", "mountinfo"} {
			b, _ := os.ReadFile(filepath.Join(proc, file))
			if file == "cgroup" && inContainer(string(b)) && !x.marks(string(b)) {
				break // of others: to read more of one that forks without end can take minutes
			}
			text := string(b)
			if file == "mountinfo" { // a disk of the test's own is in everybody's
				text = containersOf(text)
			}
			if x.marks(text) {
				name, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
				found = append(found, fmt.Sprintf("process %s by its %s: %q", filepath.Base(proc), file, name))
				break
			}
		}
	}
	return found
}

// inContainer is whether a process is in the group of a container of anybody's.
func inContainer(groups string) bool {
	return strings.Contains(groups, ":/bayplan/") || strings.Contains(groups, ":/docker/")
}

// containersOf are the mounts of containers' folders.
func containersOf(mountinfo string) (found string) {
	for line := range strings.Lines(mountinfo) {
		if strings.Contains(line, "/native/containers/") {
			found += line
		}
	}
	return found
}

func (x *traces) marks(text string) bool {
	return strings.Contains(text, x.dir+"/") || slices.ContainsFunc(x.keys, func(key string) bool { return strings.Contains(text, key) })
}

func (x *traces) groups(t *testing.T) (found []string) {
	t.Helper()
	mounted, err := cgroup.Mounted()
	if err != nil {
		t.Fatal(err)
	}
	roots := []string{mounted.Unified}
	for _, root := range mounted.Controllers {
		roots = append(roots, root)
	}
	for _, root := range roots {
		for _, key := range x.keys {
			if _, err := os.Stat(filepath.Join(root, "bayplan", key)); err == nil {
				found = append(found, "control group "+filepath.Join(root, "bayplan", key))
			}
		}
	}
	return found
}

func (x *traces) links(t *testing.T) (found []string) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range all {
		for _, tag := range x.tags {
			if strings.HasPrefix(link.Name, "bp-"+tag) || strings.HasPrefix(link.Name, "bp"+tag) {
				found = append(found, "link "+link.Name)
			}
		}
	}
	return found
}

// rules are tables of the firewall, and rules in those of others.
func (x *traces) rules(t *testing.T) (found []string) {
	t.Helper()
	tables, err := (&nftables.Conn{}).ListTables()
	if err != nil {
		t.Error(err)
	}
	for _, table := range tables {
		if x.marks(table.Name) {
			found = append(found, "table "+table.Name)
		}
	}
	saved, _ := exec.Command("iptables-save").Output() // none where it is not installed
	for line := range strings.Lines(string(saved)) {
		if x.marks(line) {
			found = append(found, "rule "+strings.TrimSpace(line))
		}
	}
	return found
}

func (builtIn) leaves(t *testing.T, d *dev) func() {
	t.Helper()
	if _, err := os.Stat(filepath.Join(d.dir, "server.ready")); err != nil {
		return func() {}
	}
	x := traced(t, d)
	before := x.left(t)
	t.Logf("of the cluster there are %d things on the machine", len(before))
	return func() {
		t.Helper()
		for _, what := range x.left(t) {
			t.Errorf("left behind: %s", what)
		}
		for _, f := range folders(d) {
			t.Errorf("left behind: %s", f.path)
		}
		if t.Failed() { // the next test is not to suffer for it
			x.sweep(t, d)
		}
	}
}

func (x *traces) sweep(t *testing.T, d *dev) {
	for i := 1; i <= 3; i++ {
		if err := sweepNode(filepath.Join(d.dir, fmt.Sprintf("node%d", i)), x.cluster, fmt.Sprintf("n%d", i), "127.0.0.1"); err != nil {
			t.Logf("sweeping node %d: %v", i, err)
		}
	}
}

// sweep opens each node's runtime as its agent does, and removes what it has.
func (on builtIn) sweep(s *site) {
	x := traced(s.t, s.dev)
	s.server.kill()
	for name := range s.agents {
		if err := sweepNode(filepath.Join(s.dir, name), s.clusterID(), name, s.addresses[name]); err != nil {
			s.t.Errorf("sweeping %s: %v", name, err)
		}
	}
	for _, what := range x.left(s.t) {
		s.t.Errorf("left behind: %s", what)
	}
}

func sweepNode(dir, cluster, node, address string) error {
	if _, err := os.Stat(filepath.Join(dir, "native")); err != nil {
		return nil // it never ran anything
	}
	ctx, cancel := context.WithTimeout(context.Background(), awhile)
	defer cancel()
	quiet := slog.New(slog.DiscardHandler)
	publish, err := netip.ParseAddr(address)
	if err != nil {
		return err
	}
	network, err := bridge.Open(bridge.Config{Dir: filepath.Join(dir, "bridge"), Key: native.Key(filepath.Join(dir, "bridge"), cluster, node),
		Publish: publish, Log: quiet})
	if err != nil {
		return err
	}
	store, err := images.Open(images.Config{Dir: filepath.Join(dir, "images"), Log: quiet})
	if err != nil {
		return errors.Join(err, network.Close(false))
	}
	rt, err := native.New(native.Config{Dir: filepath.Join(dir, "native"), Cluster: cluster, Node: node, Images: store, Network: network,
		Monitor: func() (io.ReadCloser, error) { return nil, errors.New("nothing is to be started") }, Log: quiet})
	if err == nil {
		err = errors.Join(removeAll(ctx, rt), rt.Close())
	}
	return errors.Join(err, network.Close(true), store.Close())
}

func removeAll(ctx context.Context, rt *native.Runtime) error {
	all, err := rt.List(ctx)
	for _, c := range all {
		err = errors.Join(err, rt.Stop(ctx, c.ID, "SIGKILL", time.Second), rt.Remove(ctx, c.ID))
	}
	return err
}
