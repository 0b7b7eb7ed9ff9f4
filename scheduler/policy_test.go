package scheduler_test

import (
	"strings"
	"testing"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// A node whose own operator refuses a workload is none for it, though it is like
// another one in all else, and says by which rule.
func TestPlace_NotWhereTheMachineRefuses(t *testing.T) {
	picky, plain := node("n1"), node("n2")
	picky.Node.Attributes = map[string]string{schema.PolicyAttribute: "/etc/policy; 3 teams shop/"}
	pool := scheduler.Pool{Nodes: []scheduler.Node{picky, plain}}
	r, shop := request(work("a/web"), 0), request(work("shop/web"), 0)
	table := scheduler.Open(pool)
	for name, want := range map[string]bool{"n1": false, "n2": true} {
		i := map[string]int{"n1": 0, "n2": 1}[name]
		if v := table.Ask(i, &r); v.Fits != want || !want && v.Filter != "policy" {
			t.Errorf("%s: %+v", name, v)
		}
		if v := table.Ask(i, &shop); !v.Fits {
			t.Errorf("%s refuses what its policy allows: %+v", name, v)
		}
	}
	why := scheduler.Open(scheduler.Pool{Nodes: []scheduler.Node{picky}}).Explain(&r)
	for _, want := range []string{"1 refused by policy (n1 refuses it by its own policy /etc/policy:3: workloads of teams under shop/ only)", "no node ever could: every node that meets its constraints refuses it by a policy of its own"} {
		if !strings.Contains(why.String(), want) {
			t.Errorf("%s does not say %s", why.String(), want)
		}
	}
}
