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

const unsigned = "it is not signed (committed by eve)"

// heldFor waits until the commit is held with those words in its reason.
func heldFor(commit, words string) func(*status.Status) bool {
	held := ended(commit, reconciler.Held)
	return func(s *status.Status) bool { return held(s) && strings.Contains(s.Revision.Reason, words) }
}

// What nobody vouches for is not even looked at, and what it would have been held
// for is asked about once it was let through.
func TestLoop_AnUnsignedCommitIsHeldUnread(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""), "shop/api.cue", named("api", "r/web:1"))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Repo.Doubt("evil", unsigned)
		c.Tree.Shut() // no tree can be evaluated
		evil := c.Repo.Push("evil", "Bayplan-Allow-Removal: 1", "pay/till.cue", payOK)
		s := c.Await(time.Minute, "held", heldFor(evil, unsigned))
		if n := len(s.Workloads); n != 2 {
			t.Errorf("%d workloads: %s", n, memory.Brief(s))
		}
		if !hasProblem("held")(s) {
			t.Errorf("no problem tells of it: %v", s.Problems)
		}
		c.Tree.Open()
		time.Sleep(time.Hour)
		synctest.Wait()
		if s, _ := c.Loop().Status(); !heldFor(evil, unsigned)(s) {
			t.Error(memory.Brief(s))
		}
		if _, err := c.Loop().Approve(t.Context(), evil, "ann"); err != nil {
			t.Fatal(err)
		}
		s = c.Await(time.Minute, "held for what it asks for", heldFor(evil, "it would remove"))
		if len(s.Revision.Removals) != 2 {
			t.Errorf("removals %v", s.Revision.Removals)
		}
		if _, err := c.Loop().Approve(t.Context(), evil, "bob"); err != nil {
			t.Fatal(err)
		}
		c.Await(5*time.Minute, "applied", ended(evil, reconciler.Applied))
		told := map[string]int{}
		events, _ := c.Loop().Events(0)
		for _, e := range events {
			for _, words := range []string{"is held: " + unsigned, "approved by ann, whatever its signatures are", "is held: it would remove", "approved by bob"} {
				if e.Commit == evil && strings.Contains(e.Text, words) {
					told[words]++
				}
			}
		}
		for words, n := range told {
			if n != 1 {
				t.Errorf("told %d times: %s", n, words)
			}
		}
		if len(told) != 4 {
			t.Errorf("told: %v", told)
		}
	})
}

func TestLoop_AnApprovalOfASignatureOutlivesTheServer(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Repo.Doubt("evil", unsigned)
		evil := c.Repo.Push("evil", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "held", heldFor(evil, unsigned))
		open := c.Tree.Shut()
		if _, err := c.Loop().Approve(t.Context(), evil, "ann"); err != nil {
			t.Fatal(err)
		}
		c.StopServer()
		c.StartServer()
		open()
		c.Await(5*time.Minute, "applied", ended(evil, reconciler.Applied))
	})
}

// A key that the operator adds is enough: the commit is looked at again.
func TestLoop_AHeldCommitGoesOnceItsSignerIsKnown(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Repo.Doubt("two", unsigned)
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "held", heldFor(second, unsigned))
		c.Repo.Doubt("two", "")
		s := c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		var names []string
		for _, p := range s.Revision.Phases {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); !strings.HasPrefix(got, "detect verify plan held evaluate") {
			t.Errorf("phases %s", got)
		}
	})
}

func TestLoop_ANewerSignedCommitSupersedesAnUnsignedOne(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Repo.Doubt("evil", unsigned)
		evil := c.Repo.Push("evil", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "held", heldFor(evil, unsigned))
		good := c.Repo.Push("good", "", "shop/web.cue", web("r/web:3", ""))
		s := c.Await(5*time.Minute, "applied", ended(good, reconciler.Applied))
		if h := s.History[0]; h.Commit != evil || h.Outcome != reconciler.Superseded {
			t.Errorf("the one before: %+v", h)
		}
		if _, err := c.Loop().Approve(t.Context(), evil, "ann"); err == nil {
			t.Error("an older one can be approved")
		}
	})
}
