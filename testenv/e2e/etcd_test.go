package e2e

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/bayplan/bayplan/reconciler"
)

// The test program is an etcd of one member where these are set: a process of
// its own, as one that others keep is.
const (
	etcdFolder  = "BAYPLAN_E2E_ETCD_FOLDER"
	etcdAddress = "BAYPLAN_E2E_ETCD_ADDRESS"
)

// runEtcd serves until it is killed.
func runEtcd(dir, address string) {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "other", dir
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = nil, []url.URL{{Scheme: "http", Host: "127.0.0.1:1"}} // alone it calls nobody
	cfg.InitialCluster = "other=http://127.0.0.1:1"
	cfg.ListenClientUrls = []url.URL{{Scheme: "http", Host: address}}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.LogLevel, cfg.LogOutputs = "error", []string{"stderr"}
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	<-e.Err()
	os.Exit(1)
}

// startEtcd starts one, or starts it again with what it knew.
func startEtcd(t *testing.T, dir, address string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), etcdFolder+"="+dir, etcdAddress+"="+address)
	return spawn(t, "etcd", cmd)
}

// I4, I32: while an outside etcd is away nothing stops and nothing is ordered
// that could not be recorded; the server says so, and resumes by itself.
func TestE2E_OutsideEtcdThatDies(t *testing.T) {
	s := build(t)
	dir, address := filepath.Join(s.dir, "etcd"), freeAddress(t)
	etcd := startEtcd(t, dir, address)
	s.flags = []string{"--etcd", "http://" + address}
	s.eventually("etcd that answers", func() bool { return dials(address) })
	s.up(1)
	s.put("shop/web", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()

	etcd.kill()
	s.put("shop/more", sleeper)
	commit := s.commit("more, with nothing to record it in")
	s.wantProblem("ledger-unreachable", []string{"etcd does not answer", address, "connection refused"}, "etcdctl endpoint health")
	wantSame(t, "without etcd", running, s.containers())
	s.agents["n1"].kill()
	s.startAgent("n1", 1)
	s.wantProblem("not-leading", []string{"orders nothing"}, "leads again as soon as it can") // its lease has run out
	wantSame(t, "without a leader", running, s.containers())

	startEtcd(t, dir, address)
	s.wantOutcome(commit, reconciler.Applied)
	wantSame(t, "shop/web", running, s.of("shop/web"))
	s.eventually("a node without trouble", func() bool { st := s.status(); return ready(st) == 1 && len(st.Problems) == 0 })
	if !s.server.running() {
		t.Errorf("the server ended:\n%s", s.server.tail(10))
	}
}

// dials is whether somebody listens there.
func dials(address string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
