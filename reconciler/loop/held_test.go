package loop_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/memory"
)

// named is web's file with another workload's name.
func named(name, image string) string {
	return strings.Replace(web(image, ""), "workloads: web:", "workloads: "+name+":", 1)
}

// invalid are the texts of the errors that a status shows.
func invalid(s *status.Status) (texts []string) {
	for _, p := range s.Problems {
		if p.Code == "spec-invalid" {
			texts = append(texts, p.Text)
		}
	}
	return texts
}

const payOK = "package pay\nworkloads: till: {kind: \"service\", image: \"r/web:1\"}\n"

func TestLoop_AHeldCommitShowsItsOwnErrors(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""), "shop/api.cue", named("api", "r/web:1"))
		c.Await(time.Minute, "applied", func(s *status.Status) bool { return s.Revision.Outcome == reconciler.Applied })
		two, one := strings.Replace(payOK, "image:", "imago:", 1), strings.Replace(payOK, "kind:", "kin:", 1)
		failed := c.Repo.Push("broken", "", "shop/web.cue", web("r/web:1", ""), "shop/api.cue", named("api", "r/web:1"), "pay/till.cue", two)
		s := c.Await(time.Minute, "failed", ended(failed, reconciler.Failed))
		if n := len(invalid(s)); n != 2 || !strings.HasSuffix(s.Revision.Reason, "; and 1 more") {
			t.Errorf("reason %q, %q", s.Revision.Reason, invalid(s))
		}
		held := c.Repo.Push("held", "", "pay/till.cue", one)
		s = c.Await(time.Minute, "held", ended(held, reconciler.Held))
		if got := invalid(s); len(got) != 1 || !strings.Contains(got[0], "kind is missing") {
			t.Errorf("while a commit with an error is held: %q", got)
		}
		mended := c.Repo.Push("mended", "", "pay/till.cue", payOK)
		s = c.Await(time.Minute, "held", ended(mended, reconciler.Held))
		if got := invalid(s); len(got) != 0 {
			t.Errorf("while a commit that mends the file is held: %q", got)
		}
	})
}

func TestLoop_AnUnresolvedImageUnderAHeldCommitWaits(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""), "shop/api.cue", named("api", "r/web:1"))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		held := c.Repo.Push("held", "", "pay/till.cue", strings.Replace(payOK, "r/web:1", "r/web:7", 1))
		c.Await(time.Minute, "held", ended(held, reconciler.Held))
		if _, err := c.Loop().Approve(t.Context(), held, "ann"); err != nil {
			t.Fatal(err)
		}
		c.Await(time.Minute, "its image is told", hasProblem(string(nodes.ImageNotFound)))
		time.Sleep(time.Minute)
		synctest.Wait()
		s, _ := c.Loop().Status()
		for _, w := range s.Workloads {
			if w.Name == "pay/till" && len(w.Slots) > 0 {
				t.Error("placed without a digest: ", memory.Brief(s))
			}
		}
		c.Image("r/web:7")
		c.Await(5*time.Minute, "applied", ended(held, reconciler.Applied))
	})
}

func TestLoop_TellsOfALongEvaluationAndDecidesMeanwhile(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		began, open := time.Now(), c.Tree.Shut()
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		s := c.Await(time.Minute, "told", func(s *status.Status) bool { return s.Evaluating != nil })
		if e := s.Evaluating; e.Commit != second || e.Subject != "two" || !e.Since.Equal(began) || !hasProblem("evaluating")(s) {
			t.Errorf("%+v\n%s", e, memory.Brief(s))
		}
		if waited := time.Since(began); waited < 2*time.Second || waited > 5*time.Second {
			t.Errorf("told after %s", waited)
		}
		c.Cut("n3")
		c.Await(2*time.Minute, "a lost node's slots are replaced meanwhile", func(s *status.Status) bool {
			return s.Nodes[2].State == "lost" && s.Workloads[0].Healthy == 3 && s.Evaluating != nil
		})
		open()
		s = c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		if s.Evaluating != nil || hasProblem("evaluating")(s) {
			t.Error("it is over and still told")
		}
	})
}

// A commit whose evaluation takes long keeps no newer one waiting.
func TestLoop_ANewerCommitEndsTheEvaluationOfTheOneBefore(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Tree.Shut()
		slow := c.Repo.Push("slow", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "it takes long", func(s *status.Status) bool { return s.Evaluating != nil })
		c.Tree.Open()
		quick := c.Repo.Push("quick", "", "shop/web.cue", web("r/web:3", ""))
		s := c.Await(5*time.Minute, "applied", ended(quick, reconciler.Applied))
		if h := s.History[0]; h.Commit != slow || h.Outcome != reconciler.Superseded {
			t.Errorf("the one before: %+v", h)
		}
	})
}

func TestDeciding_IsClosedWithTheFirstDecision(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		<-c.Loop().Deciding()
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.StopServer()
		free := c.Ledger.Lead.Shut()
		c.StartServer()
		synctest.Wait()
		select {
		case <-c.Loop().Deciding():
			t.Error("deciding while another server leads")
		default:
		}
		free()
		<-c.Loop().Deciding()
		if s, _ := c.Loop().Status(); len(s.Workloads) != 1 || s.Revision.Commit != first {
			t.Errorf("with the first decision: %s", memory.Brief(s))
		}
	})
}
