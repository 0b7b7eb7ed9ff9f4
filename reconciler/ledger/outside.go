package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// dialWithin is how long an outside cluster has for its first answer.
	dialWithin = 5 * time.Second
	// A connection that is silent for so long is asked, and dropped without an
	// answer: well within the term's lease.
	aliveEvery, aliveWithin = 3 * time.Second, 2 * time.Second
)

// openOutside connects to a cluster that others keep.
func (l *Ledger) openOutside(ctx context.Context) error {
	kv, err := clientv3.New(clientv3.Config{
		Endpoints:            l.cfg.Endpoints,
		TLS:                  l.cfg.TLS,
		DialTimeout:          dialWithin,
		DialKeepAliveTime:    aliveEvery,
		DialKeepAliveTimeout: aliveWithin,
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
		return l.unreachable(err)
	}
	return nil
}

func (l *Ledger) unreachable(err error) error {
	return fmt.Errorf("%w at %s: %v; check --etcd, the cluster (etcdctl endpoint health) and the certificates",
		ErrUnreachable, strings.Join(l.cfg.Endpoints, ","), err)
}
