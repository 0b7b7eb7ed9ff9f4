package loop_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/fake"
	"github.com/bayplan/bayplan/testenv/memory"
)

const leased = `package shop
workloads: db: {
	kind: "stateful", image: "r/db:1", replicas: 1, onLost: "replace"
	stop: grace: "5m"
}
workloads: web: {kind: "service", image: "r/web:1", replicas: 3}
`

// alive is on which nodes' engines anything of the workload runs, whoever knows.
func alive(t *testing.T, c *memory.Cluster, workload string) (on []string) {
	for _, node := range []string{"n1", "n2", "n3"} {
		list, err := c.Engine.Runtime("test", node).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			if x.Slot.Workload == workload && x.State == agent.StateRunning {
				on = append(on, node)
			}
		}
	}
	return on
}

// A node is cut off: what has a lease ends there by itself, however slow it is,
// before the server starts it elsewhere; all else runs on; and a node that returns
// takes nothing back (I2, I25).
func TestLoop_ACutOffNodeGivesUpItsLease(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		c.Image("r/db:1", fake.Program{Drains: 10 * time.Minute})
		commit := c.Repo.Push("one", "", "shop/shop.cue", leased)
		c.Await(2*time.Minute, "applied", ended(commit, reconciler.Applied))
		home := alive(t, c, "shop/db")[0]
		web := alive(t, c, "shop/web")
		c.Cut(home)
		cut := time.Now()
		var gone, back time.Duration
		told := false
		for back == 0 && time.Since(cut) < 5*time.Minute {
			time.Sleep(time.Second) // of the bubble's
			on := alive(t, c, "shop/db")
			switch {
			case len(on) > 1:
				t.Fatalf("I2: alive on %v", on)
			case len(on) == 0 && gone == 0:
				gone = time.Since(cut)
			case len(on) == 1 && on[0] != home:
				back = time.Since(cut)
			}
			s, _ := c.Loop().Status()
			told = told || slices.ContainsFunc(s.Problems, func(p status.Problem) bool {
				return p.Code == "lease-wait" && strings.Contains(p.Text, "its lease there is over at")
			})
			if !slices.Contains(alive(t, c, "shop/web"), home) {
				t.Fatal("I25: a service was ended where it is cut off")
			}
		}
		if gone < 55*time.Second || gone > 66*time.Second || back < 80*time.Second || back > 95*time.Second {
			t.Errorf("ended after %s, started elsewhere after %s", gone, back)
		}
		if !told {
			t.Error("nobody was told of the wait")
		}
		c.Mend(home)
		for range 120 {
			time.Sleep(time.Second)
			if on := alive(t, c, "shop/db"); len(on) != 1 || on[0] == home {
				t.Fatalf("I2: alive on %v, %s is back", on, home)
			}
		}
		if now := alive(t, c, "shop/web"); len(now) != len(web) {
			t.Errorf("web on %v, was on %v", now, web)
		}
	})
}

// A server that is away for longer than a lease finds what had one ended, and what
// has none as it was; it comes back where it was.
func TestLoop_AServerThatWasAwayForLong(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		c.Image("r/db:1")
		commit := c.Repo.Push("one", "", "shop/shop.cue", leased)
		c.Await(2*time.Minute, "applied", ended(commit, reconciler.Applied))
		home := alive(t, c, "shop/db")
		c.StopServer()
		time.Sleep(50 * time.Second)
		if on := alive(t, c, "shop/db"); !slices.Equal(on, home) {
			t.Errorf("a server away for less: alive on %v", on)
		}
		time.Sleep(time.Hour)
		if on := alive(t, c, "shop/db"); len(on) > 0 || len(alive(t, c, "shop/web")) != 3 {
			t.Errorf("I25: alive on %v", on)
		}
		c.StartServer()
		c.Await(time.Minute, "healthy again", func(s *status.Status) bool {
			return len(s.Workloads) == 2 && s.Workloads[0].Healthy == 1 && s.Workloads[1].Healthy == 3
		})
		if on := alive(t, c, "shop/db"); !slices.Equal(on, home) {
			t.Errorf("alive on %v, was on %v", on, home)
		}
	})
}
