package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// clusterOf is a cluster of that many nodes with that many slots each, of
// workloads that are spread over teams.
func clusterOf(nodeCount, slots int) reconciler.Facts {
	f := reconciler.Facts{Spec: schema.Spec{Revision: schema.Revision{Commit: strings.Repeat("a", 40), Time: epochStart}}}
	workloads := max(3, nodeCount/10)
	for i := range workloads {
		f.Spec.Workloads = append(f.Spec.Workloads, workload(i))
		w := &f.Spec.Workloads[i]
		if i%5 == 0 {
			f.Spec.Teams = append(f.Spec.Teams, schema.Team{Name: w.Team(), Commit: f.Spec.Revision.Commit})
		}
		f.Rollouts = append(f.Rollouts, reconciler.Rollout{Workload: w.Name, Stage: reconciler.Done, Target: w.Digest(),
			Commit: f.Spec.Revision.Commit, Began: epochStart, Moved: epochStart})
	}
	for i := range workloads {
		w := f.Spec.Workloads[i]
		f.Rollouts[i].Good = &w
	}
	for n := range nodeCount {
		f.Nodes = append(f.Nodes, nodeOf(n, slots, f.Rollouts))
	}
	f.Commits = []reconciler.Commit{{Revision: f.Spec.Revision, Outcome: reconciler.Applied, Seen: epochStart, Ended: epochStart}}
	return f
}

func workload(i int) schema.Workload {
	return schema.Workload{Name: fmt.Sprintf("team%03d/web%04d", i/5, i), Kind: schema.Service,
		Image: fmt.Sprintf("registry.example/shop/web%d:1.9.0", i), Pinned: fmt.Sprintf("registry.example/shop/web%d@sha256:%064d", i, i),
		Replicas: 3, Resources: schema.Resources{CPU: 500, Memory: 256 << 20}, Ports: map[string]schema.Port{"http": {Container: 8080, Protocol: "tcp"}},
		Env: map[string]string{"LOG": "info", "ADDR": ":8080"}, Pool: "default"}
}

func nodeOf(n, slots int, rollouts []reconciler.Rollout) reconciler.NodeFact {
	name := fmt.Sprintf("node%04d", n)
	fact := reconciler.NodeFact{Name: name,
		Node:       nodes.Node{Name: name, Address: "10.0.0.1", Attributes: map[string]string{"os": "linux", "node": name}, PortMin: 20000, PortMax: 32000},
		Assignment: nodes.Assignment{Node: name, Version: nodes.Version{Epoch: 1, Serial: int64(n)}}}
	for s := range slots {
		r := &rollouts[(n*slots+s)%len(rollouts)]
		slot := schema.Slot{Workload: r.Workload, Index: n*slots + s}
		fact.Assignment.Orders = append(fact.Assignment.Orders, nodes.Order{ID: nodes.InstanceID(slot, r.Target), Slot: slot, Digest: r.Target,
			Workload: r.Good, Ports: map[string]int{"http": 20000 + s}, Reason: nodes.Created, Commit: r.Commit, Since: fact.Assignment.Version})
	}
	return fact
}

// reassigned is the next version, with its first order to be stopped.
func reassigned(a nodes.Assignment) nodes.Assignment {
	a.Version.Serial++
	a.Orders = slices.Clone(a.Orders)
	a.Orders[0].Stop, a.Orders[0].Since = !a.Orders[0].Stop, a.Version
	return a
}

// noise does not compress.
func noise(n int) string {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(r.Uint64()%26)
	}
	return string(b)
}

// opsBetween are the writes from one state to another.
func opsBetween(t testing.TB, before, after reconciler.Facts) []op {
	t.Helper()
	none := &index{keys: map[string][]string{}, uses: map[string]int{}, parts: map[string]int{}}
	d, err := deltaOf(none, &reconciler.Facts{}, &before)
	if err != nil {
		t.Fatal(err)
	}
	none.apply(d)
	if d, err = deltaOf(none, &before, &after); err != nil {
		t.Fatal(err)
	}
	ops, err := d.ops()
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// values are all stored facts.
func values(t testing.TB, l *Ledger) map[string][]byte {
	t.Helper()
	s, err := l.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.values
}

// revisions are when each fact was last written.
func revisions(t testing.TB, l *Ledger) map[string]int64 {
	t.Helper()
	got, err := l.kv.Get(t.Context(), l.key(factsKey), clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	revs := map[string]int64{}
	for _, kv := range got.Kvs {
		revs[strings.TrimPrefix(string(kv.Key), l.cfg.Prefix)] = kv.ModRevision
	}
	return revs
}

// moved are the keys that were written, made or removed in between.
func moved(was, is map[string]int64) []string {
	var keys []string
	for k, rev := range is {
		if was[k] != rev {
			keys = append(keys, k)
		}
	}
	for k := range was {
		if is[k] == 0 {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func storeRevision(t testing.TB, l *Ledger) int64 {
	t.Helper()
	got, err := l.kv.Get(t.Context(), l.key(headKey))
	if err != nil {
		t.Fatal(err)
	}
	return got.Header.Revision
}
