package loop_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/fake"
	"github.com/bayplan/bayplan/testenv/memory"
)

func web(image, more string) string {
	return `package shop
workloads: web: {
	kind: "service"
	image: "` + image + `"
	replicas: 3
	ports: http: container: 8080
	health: http: {path: "/up", port: "http"}
	update: {maxSurge: 1, minHealthyTime: "5s", healthyDeadline: "30s", progressDeadline: "1m"}
	` + more + `
}
`
}

// inCluster plays a test in a bubble with a cluster of three nodes.
func inCluster(t *testing.T, play func(t *testing.T, c *memory.Cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := memory.NewCluster(t, 3)
		defer c.Close()
		for _, tag := range []string{"r/web:1", "r/web:2", "r/web:3"} {
			c.Image(tag)
		}
		c.Await(time.Minute, "three nodes", func(s *status.Status) bool { return len(s.Nodes) == 3 })
		play(t, c)
	})
}

func ended(commit string, outcome reconciler.Outcome) func(*status.Status) bool {
	return func(s *status.Status) bool { return s.Revision.Commit == commit && s.Revision.Outcome == outcome }
}

func hasProblem(code string) func(*status.Status) bool {
	return func(s *status.Status) bool {
		for _, p := range s.Problems {
			if p.Code == code {
				return true
			}
		}
		return false
	}
}

func TestLoop_DeploysUpgradesAndRemoves(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		s := c.Await(time.Minute, "first commit applied", ended(first, reconciler.Applied))
		if w := s.Workloads[0]; w.Healthy != 3 || w.Updated != 3 || len(w.Slots) != 3 {
			t.Fatal(memory.Brief(s))
		}
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		low := 3
		s = c.Await(2*time.Minute, "second commit applied", func(s *status.Status) bool {
			low = min(low, s.Workloads[0].Healthy)
			return ended(second, reconciler.Applied)(s)
		})
		if low < 3 || s.Workloads[0].Updated != 3 {
			t.Errorf("fewest healthy %d; %s", low, memory.Brief(s))
		}
		third := c.Repo.Push("three", "", "cluster.cue", "package root\ncluster: {}\n")
		s = c.Await(time.Minute, "third commit applied", ended(third, reconciler.Applied))
		if len(s.Workloads) != 0 {
			t.Error(memory.Brief(s))
		}
		if len(s.Revision.Phases) == 0 {
			t.Error("no phases were timed")
		}
	})
}

func TestLoop_RollsBackWhatNeverBecomesHealthy(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		c.Image("r/web:bad", fake.Program{Runs: time.Millisecond, Code: 3})
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		good := c.Await(time.Minute, "applied", ended(first, reconciler.Applied)).Workloads[0].Digest
		bad := c.Repo.Push("bad", "", "shop/web.cue", web("r/web:bad", ""))
		s := c.Await(5*time.Minute, "rolled back", ended(bad, reconciler.RolledBack))
		for _, x := range s.Workloads[0].Slots {
			if x.Digest != good || x.Restarts != 0 {
				t.Error(memory.Brief(s))
			}
		}
		if !strings.Contains(s.Revision.Reason, "exit") {
			t.Errorf("reason %q does not say what went wrong", s.Revision.Reason)
		}
	})
}

func TestLoop_KeepsRunningWhatIsGoodWhileGitIsBroken(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Repo.Trouble(source.Trouble{Code: "git-unreachable", Text: "no route to host"})
		c.Await(time.Minute, "trouble told", hasProblem("git-unreachable"))
		broken := c.Repo.Push("typo", "", "shop/web.cue", "package shop\nworkloads: web: {{{")
		c.Await(time.Minute, "commit failed", ended(broken, reconciler.Failed))
		empty := c.Repo.Push("empty", "")
		c.Await(time.Minute, "a tree without packages failed", ended(empty, reconciler.Failed))
		empty = c.Repo.Empty("no file at all")
		c.Await(time.Minute, "an empty tree failed", ended(empty, reconciler.Failed))
		time.Sleep(time.Hour)
		synctest.Wait()
		s, _ := c.Loop().Status()
		if s.Workloads[0].Healthy != 3 || s.Revision.Commit != empty || s.Revision.Outcome != reconciler.Failed {
			t.Error(memory.Brief(s))
		}
	})
}

func TestLoop_RestartsWithoutTouchingAContainer(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		starts := c.Engine.Calls("start")
		c.StopServer()
		c.StopAgent("n2")
		time.Sleep(10 * time.Second)
		c.StartServer()
		c.StartAgent("n2")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		s, _ := c.Loop().Status()
		if s.Workloads[0].Healthy != 3 || c.Engine.Calls("start") != starts || c.Engine.Calls("stop") != 0 {
			t.Errorf("%d starts before, %d after, %d stops; %s", starts, c.Engine.Calls("start"), c.Engine.Calls("stop"), memory.Brief(s))
		}
	})
}

func TestLoop_ReplacesTheSlotsOfALostNode(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Cut("n3")
		s := c.Await(2*time.Minute, "replaced", func(s *status.Status) bool {
			return s.Nodes[2].State == "lost" && s.Workloads[0].Healthy == 3
		})
		c.Mend("n3")
		s = c.Await(time.Minute, "the old one gone", func(s *status.Status) bool {
			return s.Nodes[2].State == "ready" && len(s.Workloads[0].Slots) == 3
		})
		_ = s
	})
}

func TestLoop_OrdersNothingThatItCouldNotRecord(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Ledger.Fail(errors.New("disk full"))
		starts := c.Engine.Calls("start")
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "failure told", hasProblem("ledger-failing"))
		time.Sleep(time.Minute)
		if c.Engine.Calls("start") != starts {
			t.Error("started what was not recorded (I32)")
		}
		c.Ledger.Fail(nil)
		s := c.Await(2*time.Minute, "applied", ended(second, reconciler.Applied))
		if hasProblem("ledger-failing")(s) {
			t.Error("the failure is still told")
		}
	})
}

func TestLoop_WaitsForAnImageAndHoldsNobodyElse(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		commit := c.Repo.Push("two workloads", "", "shop/web.cue", web("r/web:1", ""), "blog/blog.cue",
			strings.Replace(web("r/blog:1", ""), "package shop", "package blog", 1))
		s := c.Await(time.Minute, "shop healthy, blog waiting", func(s *status.Status) bool {
			return len(s.Workloads) == 2 && s.Workloads[1].Healthy == 3 && hasProblem(string(nodes.ImageNotFound))(s)
		})
		if s.Workloads[0].Running != 0 {
			t.Error(memory.Brief(s))
		}
		c.Image("r/blog:1")
		c.Await(5*time.Minute, "applied", ended(commit, reconciler.Applied))
	})
}

func TestLoop_HoldsALargeRemovalUntilApproved(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		two := strings.Replace(web("r/web:1", ""), "workloads: web:", "workloads: api:", 1)
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""), "shop/api.cue", two)
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		cut := c.Repo.Push("cut", "", "cluster.cue", "package root\ncluster: {}\n")
		s := c.Await(time.Minute, "held", ended(cut, reconciler.Held))
		if len(s.Revision.Removals) != 2 || s.Workloads[0].Healthy != 3 {
			t.Error(memory.Brief(s))
		}
		if _, err := c.Loop().Approve(t.Context(), "nonsense", "ann"); err == nil {
			t.Error("approved a commit that is not the held one")
		}
		if full, err := c.Loop().Approve(t.Context(), cut[:8], "ann"); err != nil || full != cut {
			t.Fatal(full, err)
		}
		c.Await(time.Minute, "applied", ended(cut, reconciler.Applied))
	})
}

// The text of one commit never meets what is known of another: not the refusal
// of an empty tree, not the hold of a rewritten branch.
func TestLoop_ARefusedCommitIsNeverTakenIn(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		empty := c.Repo.Push("empty", "", "README.md", "hello")
		c.Await(time.Minute, "refused", ended(empty, reconciler.Failed))
		low := 3
		fix := c.Repo.Push("fix", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(5*time.Minute, "fixed", func(s *status.Status) bool {
			for _, w := range s.Workloads {
				low = min(low, w.Healthy)
			}
			if len(s.Workloads) == 0 {
				low = 0
			}
			return ended(fix, reconciler.Applied)(s)
		})
		if low < 3 {
			t.Errorf("down to %d healthy", low)
		}
	})
}

func TestLoop_AHeldCommitIsNotLetThroughByTheNext(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		c.Repo.Push("zero", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", func(s *status.Status) bool { return s.Revision.Outcome == reconciler.Applied })
		in := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", "labels: a: \"1\""))
		c.Await(5*time.Minute, "applied", ended(in, reconciler.Applied))
		evil := c.Repo.Rewrite("evil", "shop/web.cue", web("r/web:3", ""))
		c.Await(time.Minute, "held", ended(evil, reconciler.Held))
		fix := c.Repo.Onto(in, "fix", "shop/web.cue", web("r/web:2", ""))
		c.Await(5*time.Minute, "applied", ended(fix, reconciler.Applied))
		events, _ := c.Loop().Events(0)
		for _, e := range events {
			if e.Commit == evil && e.Kind == "order" {
				t.Error(e.Text)
			}
		}
	})
}

func TestLoop_TroubleOfTheLedgerEndsWithIt(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Ledger.Fail(errors.New("disk full"))
		c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "told", hasProblem("ledger-failing"))
		back := c.Repo.Push("back", "", "shop/web.cue", web("r/web:1", ""))
		c.Ledger.Fail(nil)
		c.Await(time.Minute, "over", func(s *status.Status) bool { return s.Revision.Commit == back && !hasProblem("ledger-failing")(s) })
	})
}

func TestApprove_AnswersOnceTheDecisionIsMade(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		two := strings.Replace(web("r/web:1", ""), "workloads: web:", "workloads: api:", 1)
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""), "shop/api.cue", two)
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		cut := c.Repo.Push("cut", "", "cluster.cue", "package root\ncluster: {}\n")
		c.Await(time.Minute, "held", ended(cut, reconciler.Held))
		if _, err := c.Loop().Approve(t.Context(), cut, "ann"); err != nil {
			t.Fatal(err)
		}
		if s, _ := c.Loop().Status(); s.Revision.Outcome == reconciler.Held {
			t.Error("still held after the approval was answered")
		}
		if _, err := c.Loop().Approve(t.Context(), cut[:8], "bob"); err == nil || !strings.Contains(err.Error(), "was approved by ann") {
			t.Errorf("the second who approves is told %v", err)
		}
	})
}
