package loop_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/memory"
)

// refuse has a node's agent start anew with rules of its machine's operator.
func refuse(t *testing.T, c *memory.Cluster, node, rules string) {
	t.Helper()
	p, err := schema.ReadMachinePolicy("/etc/policy", []byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	if c.Policies == nil {
		c.Policies = map[string]*schema.MachinePolicy{}
	}
	c.Policies[node] = &p
	c.StopAgent(node)
	c.StartAgent(node)
}

// What a machine refuses is placed elsewhere, and where all do it is told by which
// rule, before anything is ordered.
func TestLoop_PlacesNothingWhereTheMachineRefusesIt(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		refuse(t, c, "n1", "teams pay/\n")
		s := c.Await(5*time.Minute, "it has left n1", func(s *status.Status) bool {
			for _, x := range s.Workloads[0].Slots {
				if x.Node == "n1" {
					return false
				}
			}
			return s.Workloads[0].Healthy == 3
		})
		for _, x := range s.Workloads[0].Slots {
			if x.Failure != nil {
				t.Errorf("it was ordered all the same: %s", memory.Brief(s))
			}
		}
		refuse(t, c, "n2", "registries registry.example\n")
		refuse(t, c, "n3", "memory 1Mi\n")
		c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""), "shop/api.cue", named("api", "r/web:1"))
		c.Await(5*time.Minute, "api finds no place", func(s *status.Status) bool {
			for _, p := range s.Problems {
				if strings.HasPrefix(p.Subject, "shop/api") && strings.Contains(p.Text, "3 refused by policy (n") && strings.Contains(p.Text, " refuses it by its own policy /etc/policy:1: ") {
					return true
				}
			}
			return false
		})
	})
}
