package ledger

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

const (
	// dialWithin is how long an outside cluster has for its first answer.
	dialWithin = 5 * time.Second
	// A connection that is silent for so long is asked, and dropped without an
	// answer: well within the term's lease.
	aliveEvery, aliveWithin = 3 * time.Second, 2 * time.Second
)

// redial looks often for a cluster that went away: gRPC's own pauses grow to two
// minutes, for which a cluster that is back would be without a leader.
var redial = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
	MinConnectTimeout: dialWithin,
}

// openOutside connects to a cluster that others keep.
func (l *Ledger) openOutside(ctx context.Context) error {
	kv, err := clientv3.New(clientv3.Config{
		Endpoints:            l.cfg.Endpoints,
		TLS:                  l.cfg.TLS,
		DialTimeout:          dialWithin,
		DialKeepAliveTime:    aliveEvery,
		DialKeepAliveTimeout: aliveWithin,
		DialOptions:          []grpc.DialOption{grpc.WithConnectParams(redial)},
		Logger:               newZap(l.cfg.Log, func(d *death) { l.stop(d) }),
	})
	if err != nil {
		return l.unreachable(err)
	}
	l.kv = kv
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	if _, err := kv.Get(ctx, l.key(epochKey)); err != nil {
		kv.Close()
		return l.unreachable(cmp.Or(l.probe(), err))
	}
	l.busy.Go(l.watchOutside)
	return nil
}

// Away is why an outside cluster does not answer; nil while it does, and for a
// member of our own, whose end is the Ledger's. Calls meanwhile wait for it, so
// this is how a server can tell what it waits for.
func (l *Ledger) Away() error {
	if why := l.away.Load(); why != nil {
		return *why
	}
	return nil
}

// watchOutside asks the cluster for a sign of life until the Ledger ends.
func (l *Ledger) watchOutside() {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
		}
		switch err := l.alive(); {
		case l.ctx.Err() != nil:
			return
		case err == nil:
			l.away.Store(nil)
		default:
			err = fmt.Errorf("%w at %s: %v", ErrUnreachable, strings.Join(l.cfg.Endpoints, ","), cmp.Or(l.probe(), err))
			l.away.Store(&err)
		}
	}
}

func (l *Ledger) alive() error {
	ctx, cancel := context.WithTimeout(l.ctx, aliveWithin)
	defer cancel()
	_, err := l.kv.Get(ctx, l.key(epochKey))
	return err
}

// probe finds out why no endpoint answers, which gRPC keeps to itself: nobody
// listens, the name is unknown, the certificate is not trusted. It is nil where
// all can be connected to.
func (l *Ledger) probe() error {
	ctx, cancel := context.WithTimeout(l.ctx, aliveWithin)
	defer cancel()
	var why error
	for _, e := range l.cfg.Endpoints {
		conn, err := l.dial(ctx, hostOf(e))
		if err == nil {
			err = conn.Close()
		}
		why = errors.Join(why, err)
	}
	return why
}

func (l *Ledger) dial(ctx context.Context, addr string) (net.Conn, error) {
	if l.cfg.TLS == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	return (&tls.Dialer{Config: l.cfg.TLS}).DialContext(ctx, "tcp", addr)
}

// hostOf is host:port of an endpoint, which may be a URL.
func hostOf(endpoint string) string {
	if _, host, ok := strings.Cut(endpoint, "://"); ok {
		return host
	}
	return endpoint
}

func (l *Ledger) unreachable(err error) error {
	return fmt.Errorf("%w at %s: %v; check --etcd, the cluster (etcdctl endpoint health) and the certificates",
		ErrUnreachable, strings.Join(l.cfg.Endpoints, ","), err)
}
