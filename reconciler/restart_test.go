package reconciler_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// restartAt is a restart of the server that finds the same tip.
func (f *fleet) restartAt() {
	tip := f.desired
	f.restart()
	f.desired = tip
}

// A recreate starts nothing while a node that has not been heard since the
// server's restart may still run the old one (I1).
func TestReconcile_RecreateWaitsForWhoIsNotHeard(t *testing.T) {
	f := rolledTo(t, "replicas=3", "strategy=recreate")
	f.restartAt()
	f.pass()
	m := f.machines[0]
	f.now = f.now.Add(time.Second)
	m.insts = map[string]*nodes.Instance{}
	f.deliver(m)
	f.hear(m) // its old one is gone; b and c run theirs
	f.pass()
	f.hear(m)
	f.pass()
	if n := f.ordered(f.facts.Rollouts[0].Target); n > 0 {
		t.Errorf("%d new instances ordered beside old ones", n)
	}
	f.now = f.now.Add(31 * time.Second) // b and c are lost now, and only they were waited for
	f.hear(m)
	f.pass()
	if n := f.ordered(f.facts.Rollouts[0].Target); n == 0 {
		t.Error("nothing is ordered though the others are lost")
	}
}

// ordered is how many orders to run the digest there are.
func (f *fleet) ordered(d schema.Digest) (n int) {
	for i := range f.facts.Nodes {
		for _, o := range f.facts.Nodes[i].Assignment.Orders {
			if !o.Stop && o.Digest == d {
				n++
			}
		}
	}
	return n
}

// A removal is not applied while what it removed may still run on nodes that
// have not been heard since the server's restart (I8).
func TestReconcile_RemovalWaitsForWhoIsNotHeard(t *testing.T) {
	f := rolledTo(t, "replicas=3")
	f.rounds(40)
	other := parseWorkload(t, []string{"shop/other"})
	web := *f.facts.Rollouts[0].Want
	f.push([]schema.Workload{other, web}, []schema.Team{{Name: "shop"}})
	f.rounds(10)
	f.push([]schema.Workload{other}, []schema.Team{{Name: "shop"}})
	f.pass()
	f.restartAt()
	f.pass()
	if c := f.commit(); c.Outcome != reconciler.Progressing {
		t.Fatalf("%s: %s while all three still run", c.Outcome, c.Reason)
	}
	f.rounds(5)
	if c := f.commit(); c.Outcome != reconciler.Applied {
		t.Errorf("%s: %s", c.Outcome, c.Reason)
	}
}
