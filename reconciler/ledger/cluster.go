package ledger

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const clusterKey = "cluster"

// Cluster is what makes this cluster itself: made once, never changed.
type Cluster struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// CACert and CAKey are PEM. The key is as safe as the data folder (0700) or
	// the outside cluster.
	CACert []byte `json:"caCert"`
	CAKey  []byte `json:"caKey"`
}

// Cluster is the one that was created; false in a new ledger.
func (l *Ledger) Cluster(ctx context.Context) (Cluster, bool, error) {
	var c Cluster
	var found bool
	err := l.do(ctx, func(ctx context.Context) error {
		got, err := l.kv.Get(ctx, l.key(clusterKey))
		if err != nil || len(got.Kvs) == 0 {
			return err
		}
		found = true
		return unpack(clusterKey, got.Kvs[0].Value, &c)
	})
	if err != nil {
		return Cluster{}, false, fmt.Errorf("reading the cluster's identity: %w", err)
	}
	return c, found, nil
}

// CreateCluster stores c if there is none yet, and returns the one that stands:
// of several servers that start at once all get the same.
func (l *Ledger) CreateCluster(ctx context.Context, c Cluster) (Cluster, error) {
	err := l.do(ctx, func(ctx context.Context) error {
		value, err := pack(c)
		if err != nil {
			return err
		}
		if err := l.room(); err != nil {
			return err
		}
		key := l.key(clusterKey)
		got, err := l.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, string(value))).Else(clientv3.OpGet(key)).Commit()
		if err != nil || got.Succeeded {
			return err
		}
		c = Cluster{}
		return unpack(clusterKey, got.Responses[0].GetResponseRange().Kvs[0].Value, &c)
	})
	if err != nil {
		return Cluster{}, fmt.Errorf("creating the cluster's identity: %w", err)
	}
	return c, nil
}
