package ledger

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/bayplan/bayplan/reconciler"
)

// outside is an etcd that others keep, on loopback with TLS.
type outside struct {
	etcd *embed.Etcd
	dir  string
	tls  transport.TLSInfo
	// addr is free for the first start, then stays.
	addr string
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	dir := t.TempDir()
	info, err := transport.SelfCert(zap.NewNop(), dir+"/cert", []string{"127.0.0.1:0"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	o := &outside{dir: dir, tls: info, addr: "127.0.0.1:0"}
	o.start(t)
	t.Cleanup(func() { o.stop() })
	return o
}

func (o *outside) start(t *testing.T) {
	t.Helper()
	cfg := memberConfig(o.dir, zap.NewNop())
	cfg.ListenClientUrls = []url.URL{{Scheme: "https", Host: o.addr}}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.ClientTLSInfo = o.tls
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	<-e.Server.ReadyNotify()
	o.etcd, o.addr = e, e.Clients[0].Addr().String()
}

func (o *outside) stop() {
	if o.etcd != nil {
		o.etcd.Close()
		o.etcd = nil
	}
}

func (o *outside) config(t *testing.T) Config {
	t.Helper()
	pem, err := os.ReadFile(o.tls.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return Config{Endpoints: []string{"https://" + o.addr}, TLS: &tls.Config{RootCAs: roots}, Log: quiet()}
}

func (o *outside) open(t *testing.T, prefix string) *Ledger {
	t.Helper()
	cfg := o.config(t)
	cfg.Prefix = prefix
	l, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestOutside_TwoServersOneLeader(t *testing.T) {
	o := newOutside(t)
	first, second := o.open(t, ""), o.open(t, "")
	former := campaign(t, first)
	f := clusterOf(150, 2)
	if err := former.Record(t.Context(), reconciler.Facts{}, f, eventsOf(0, 3)); err != nil {
		t.Fatal(err)
	}
	won := make(chan *Term)
	go func() {
		term, err := second.Campaign(context.Background())
		if err != nil {
			t.Error(err)
		}
		won <- term
	}()
	depose(t, former)
	present := <-won
	if err := former.Record(t.Context(), f, clusterOf(3, 1), nil); !errors.Is(err, ErrLostEpoch) {
		t.Errorf("the former leader: %v", err)
	}
	if present.Epoch() <= former.Epoch() {
		t.Errorf("epoch %d after %d", present.Epoch(), former.Epoch())
	}
	if d := differ(f, facts(t, second)); d != "" {
		t.Error(d)
	}
	if free, total, err := first.Free(); free != 0 || total != 0 || err != nil || first.Low() != nil {
		t.Error("an outside cluster's disk is not ours")
	}
}

func TestOutside_PrefixesKeepClustersApart(t *testing.T) {
	o := newOutside(t)
	a, b := o.open(t, "a/"), o.open(t, "b/")
	f := clusterOf(3, 2)
	if err := campaign(t, a).Record(t.Context(), reconciler.Facts{}, f, eventsOf(0, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.CreateCluster(t.Context(), Cluster{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	campaign(t, b)
	if d := differ(reconciler.Facts{}, facts(t, b)); d != "" {
		t.Error(d)
	}
	if events, err := b.Events(t.Context(), 0); len(events) > 0 || err != nil {
		t.Error(events, err)
	}
	if _, found, err := b.Cluster(t.Context()); found || err != nil {
		t.Error(found, err)
	}
}

// An outage shorter than the lease costs time and nothing else.
func TestOutside_GoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	l := o.open(t, "")
	term := campaign(t, l)
	before, after := clusterOf(3, 2), clusterOf(4, 3)
	if err := term.Record(t.Context(), reconciler.Facts{}, before, nil); err != nil {
		t.Fatal(err)
	}
	o.stop()
	if err := term.Record(within(t, 300*time.Millisecond), before, after, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("during the outage: %v", err)
	}
	o.start(t)
	if err := term.Record(t.Context(), before, after, nil); err != nil {
		t.Errorf("after it: %v", err)
	}
	if d := differ(after, facts(t, l)); d != "" {
		t.Error(d)
	}
}

func TestOutside_TellsThatItIsAway(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	l := o.open(t, "")
	if err := l.Away(); err != nil {
		t.Error(err)
	}
	o.stop()
	until(t, "a word of the outage", func() bool { return l.Away() != nil })
	if err := l.Away(); !errors.Is(err, ErrUnreachable) || !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), o.addr) {
		t.Errorf("away: %v", err)
	}
	o.start(t)
	until(t, "an end of it", func() bool { return l.Away() == nil })
}

// until asks again and again.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-late:
			t.Fatalf("no %s", what)
		case <-tick.C:
		}
	}
}

// A store that goes away between the election and the first watch ends the term
// with its lease, as at any other time.
func TestOutside_GoesAwayRightAfterTheElection(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	l := o.open(t, "")
	s, err := l.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	term := newTerm(l, s)
	if err := term.win(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.stop()
	l.adopt(term)
	go term.watch()
	s.Orphan() // so the client tells of a lease that nobody renewed
	for name, over := range map[string]<-chan struct{}{"lost": term.Lost(), "over": term.over} {
		select {
		case <-over:
		case <-within(t, 20*time.Second).Done():
			t.Fatalf("the term is not %s", name)
		}
	}
	closed(t, l)
}

func TestOutside_ThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	o.stop()
	_, err := Open(within(t, 300*time.Millisecond), o.config(t))
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "connection refused; check --etcd") {
		t.Errorf("got %v", err)
	}
}

func TestOutside_WithAnUnknownCertificate(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	cfg := o.config(t)
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	if _, err := Open(within(t, 300*time.Millisecond), cfg); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}
