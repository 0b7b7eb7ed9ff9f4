package scheduler_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestPlace_OneTextOrTwoThatSayTheSame: whether the slots of a workload are asked
// for with one value of its text, or with several that say the same, as the ledger
// gives them back, makes no difference, nor to what is told of a refusal (I14).
func TestPlace_OneTextOrTwoThatSayTheSame(t *testing.T) {
	ask := func(texts ...*schema.Workload) (all []scheduler.Unplaced) {
		pool := scheduler.Pool{}
		for i, name := range []string{"n1", "n2"} {
			n := node(name) // where the first waits, the second has a longer way to go
			n.Reserved.CPU = []schema.CPU{900, 1800}[i]
			n.Ending = nodes.Capacity{CPU: n.Reserved.CPU}
			pool.Nodes = append(pool.Nodes, n)
		}
		var requests []scheduler.Request
		for i, w := range texts {
			requests = append(requests, request(w, i))
		}
		_, all = scheduler.Place(pool, requests)
		return all
	}
	one, same, other := work("a/web"), work("a/web"), work("a/web")
	for _, w := range []*schema.Workload{one, same, other} {
		w.Resources.CPU = 1800
	}
	same.Env, other.Env = map[string]string{}, map[string]string{"A": "b"} // same: empty, not absent
	want := ask(one, one)
	if len(want) != 2 || want[0].Waits != "n1" || want[1].Waits != "n2" {
		t.Fatalf("they wait for %+v, want n1 and n2", want)
	}
	if diff := cmp.Diff(want, ask(one, same)); diff != "" {
		t.Errorf("with two values of one text (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, ask(one, other)); diff == "" {
		t.Error("a refusal of another text is told as that of the first")
	}
}
