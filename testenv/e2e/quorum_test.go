package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/testenv/image"
)

// Three members of Debian's etcd find each other, and are updated one at a time,
// the highest first, with their data, while a client writes all the time: whatever
// it was told is written is there afterwards, on each of them.
func TestE2E_EtcdMembers(t *testing.T) { onEach(t, etcdMembers) }

func etcdMembers(t *testing.T, on world) {
	s := buildOn(t, on)
	s.storeEtcd("1")
	s.storeEtcd("2")
	s.upApart(3)
	t.Cleanup(func() {
		if t.Failed() {
			for slot := range 3 {
				out, _ := s.try(fmt.Sprintf("bayplan logs infra/etcd.%d --tail 20", slot))
				t.Logf("the end of slot %d's log:\n%s", slot, out)
			}
		}
	})
	s.putEtcd("1")
	s.wantOutcome(s.commit("three members"), reconciler.Applied)
	members := s.etcdEndpoints()
	w := writesTo(t, members)
	s.eventually("writes", func() bool { return w.count() > 50 })

	s.putEtcd("2")
	before := w.count()
	s.wantOutcome(s.commit("another version"), reconciler.Applied)
	if order := startOrder(s.of("infra/etcd")); !slices.Equal(order, []string{"infra/etcd.2", "infra/etcd.1", "infra/etcd.0"}) {
		t.Errorf("changed in the order %v", order)
	}
	if after := s.etcdEndpoints(); !slices.Equal(members, after) {
		t.Errorf("the members were at %v and are at %v", members, after)
	}
	during := w.count() - before
	s.eventually("writes to the new version", func() bool { return w.count() > before+during+50 })
	acknowledged := w.end()
	for slot, at := range members {
		wantKeys(t, slot, at, acknowledged)
	}
	t.Logf("%d writes acknowledged, %d of them during the update", len(acknowledged), during)
	if during < 50 {
		t.Errorf("only %d writes while it was updated", during)
	}
	s.keepsVolumes()
}

// keepsVolumes: what a removed workload leaves is listed, and deleted when that is
// said and not before.
func (s *site) keepsVolumes() {
	s.t.Helper()
	s.write("infra/etcd.cue", "package infra\n\nworkloads: {}\n")
	s.commit("no members")
	s.eventually("volumes that are kept", func() bool { return strings.Count(s.shell("bayplan volume ls"), "kept until") == 3 })
	s.eventually("an end of what writes to it", func() bool {
		_, code := s.try("bayplan volume rm infra/etcd.1 --reason 'it was a test'")
		return code == 0
	})
	s.eventually("a volume that is gone", func() bool {
		list := s.shell("bayplan volume ls")
		return !strings.Contains(list, "infra/etcd.1") && strings.Count(list, "kept until") == 2
	})
}

const etcdImage = "infra/etcd"

// storeEtcd puts a version of the example's image into the registry.
func (s *site) storeEtcd(version string) {
	s.t.Helper()
	text, err := os.ReadFile("../../examples/etcd/image/etcd-start")
	if err != nil {
		s.t.Fatal(err)
	}
	d := image.Debian{
		Packages: []string{"etcd-server"}, Folders: []string{"/data"}, Files: map[string]string{"/usr/local/bin/etcd-start": string(text)},
		Config: v1.Config{Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "VERSION=" + version}, WorkingDir: "/"},
	}
	ref := s.registry.Push(s.root, etcdImage+":"+version, d.Image(s.t))
	if s.on.runtime() == "docker" {
		s.root.Cleanup(func() { exec.Command("docker", "rmi", "-f", ref).Run() })
	}
}

// putEtcd writes the example as it is, with this registry's image.
func (s *site) putEtcd(version string) {
	s.t.Helper()
	text, err := os.ReadFile("../../examples/etcd/infra/etcd.cue")
	if err != nil {
		s.t.Fatal(err)
	}
	const example = `"registry.example/infra/etcd:3.4"`
	if !strings.Contains(string(text), example) {
		s.t.Fatalf("the example's image is not %s", example)
	}
	s.write("infra/etcd.cue", strings.Replace(string(text), example, fmt.Sprintf("%q", s.registry.Addr()+"/"+etcdImage+":"+version), 1))
}

// etcdEndpoints are where the members' clients reach them, by slot.
func (s *site) etcdEndpoints() (all []string) {
	for slot := range 3 {
		x := s.slot(fmt.Sprintf("infra/etcd.%d", slot))
		all = append(all, "http://"+net.JoinHostPort(x.Address, strconv.Itoa(x.Ports["client"])))
	}
	return all
}

func etcdClient(t *testing.T, endpoints ...string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// putter writes one key after the other, and knows which were acknowledged.
type putter struct {
	stop func()
	done sync.WaitGroup

	mu   sync.Mutex
	keys []string
}

func writesTo(t *testing.T, endpoints []string) *putter {
	ctx, stop := context.WithCancel(t.Context())
	w := &putter{stop: stop}
	c := etcdClient(t, endpoints...)
	w.done.Go(func() {
		defer c.Close()
		for id := 0; ctx.Err() == nil; id++ {
			w.put(ctx, c, fmt.Sprintf("key-%08d", id))
		}
	})
	t.Cleanup(func() { w.end() })
	return w
}

// put asks for one write. One that fails may have been done or not: it is not
// counted.
func (w *putter) put(ctx context.Context, c *clientv3.Client, key string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := c.Put(ctx, key, key); err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys = append(w.keys, key)
}

func (w *putter) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.keys)
}

func (w *putter) end() []string {
	w.stop()
	w.done.Wait()
	return w.keys
}

// wantKeys wants each acknowledged write of the member itself, once it has caught
// up with the others.
func wantKeys(t *testing.T, slot int, endpoint string, acknowledged []string) {
	t.Helper()
	c := etcdClient(t, endpoint)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := c.Get(ctx, "key-"); err != nil { // linearizable: from then on it has all
		t.Fatalf("slot %d: %v", slot, err)
	}
	r, err := c.Get(ctx, "key-", clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithSerializable())
	if err != nil {
		t.Fatalf("slot %d: %v", slot, err)
	}
	there := map[string]bool{}
	for _, kv := range r.Kvs {
		there[string(kv.Key)] = true
	}
	lost := slices.DeleteFunc(slices.Clone(acknowledged), func(key string) bool { return there[key] })
	if len(lost) > 0 {
		t.Errorf("slot %d has lost %d of %d acknowledged writes: %v", slot, len(lost), len(acknowledged), lost)
	}
}
