package loop_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/memory"
)

func stage(of reconciler.Stage) func(*status.Status) bool {
	return func(s *status.Status) bool { return len(s.Workloads) > 0 && s.Workloads[0].Rollout.Stage == of }
}

// A hold stands with the next server, ends by itself, and then the commit that
// waited for it is applied.
func TestOperate_AHoldOutlivesTheServerAndEndsByItself(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		deployed(t, c)
		if err := operate(t, c, reconciler.Wish{Verb: reconciler.HoldWorkload, Of: "shop/web", Actor: "ann", Reason: "a dump", For: 10 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "the commit waits for ann", func(s *status.Status) bool {
			return s.Revision.Commit == second && strings.Contains(s.Revision.Reason, "by ann: a dump")
		})
		c.StopServer()
		c.StartServer()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		s := c.Await(time.Minute, "held still", func(s *status.Status) bool { return len(s.Workloads) > 0 && s.Workloads[0].State == "held" })
		if s.Workloads[0].Updated != 3 || s.Revision.Outcome != reconciler.Progressing {
			t.Error(memory.Brief(s))
		}
		c.Await(15*time.Minute, "applied", ended(second, reconciler.Applied))
		if !told(c, "", "shop/web is held no more") || !told(c, "ann", "shop/web is held until", "a dump") {
			t.Error("the record lacks the hold or its end")
		}
	})
}

// An undo is recorded, goes back, and ends when the repository asks for what it
// went back to.
func TestOperate_AnUndoLastsUntilTheRevertLands(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		deployed(t, c)
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		g, err := c.Loop().Operate(t.Context(), reconciler.Wish{Verb: reconciler.UndoRollout, Of: "shop/web", Actor: "ann"})
		if err != nil || g.Commit == "" || g.Commit == second {
			t.Fatal(g, err)
		}
		c.StopServer()
		c.StartServer()
		s := c.Await(5*time.Minute, "reverted", stage(reconciler.Reverted))
		if s.Workloads[0].Rollout.Hold == nil || !strings.Contains(s.Workloads[0].Reason, "undone by ann") {
			t.Error(memory.Brief(s))
		}
		third := c.Repo.Push("revert", "", "shop/web.cue", web("r/web:1", ""))
		s = c.Await(5*time.Minute, "applied", ended(third, reconciler.Applied))
		if r := s.Workloads[0].Rollout; r.Hold != nil || r.Stage != reconciler.Done {
			t.Errorf("%+v", r)
		}
	})
}
