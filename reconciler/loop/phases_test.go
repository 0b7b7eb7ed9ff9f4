package loop_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/fake"
	"github.com/bayplan/bayplan/testenv/memory"
)

// took is how long each phase of the newest commit took.
func took(s *status.Status) map[string]time.Duration {
	m := map[string]time.Duration{}
	for _, p := range s.Revision.Phases {
		m[p.Name] = p.Took.D()
	}
	return m
}

func TestPhases_OfARolloutInTurnsTellWhenTheLastInstanceStarted(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		m := took(c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied)))
		if _, healthy := m["healthy"]; !healthy || m["pull"]+m["start"] < 10*time.Second {
			t.Errorf("three slots, one after the other: %v", m)
		}
	})
}

func TestPhases_OfAHeldCommitGoOnOnceItIsLetThrough(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""), "shop/api.cue", named("api", "r/web:1"))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		held := c.Repo.Push("held", "", "pay/till.cue", payOK)
		c.Await(time.Minute, "held", ended(held, reconciler.Held))
		time.Sleep(time.Minute)
		if _, err := c.Loop().Approve(t.Context(), held, "ann"); err != nil {
			t.Fatal(err)
		}
		m := took(c.Await(5*time.Minute, "applied", ended(held, reconciler.Applied)))
		if _, healthy := m["healthy"]; !healthy || m["held"] < time.Minute || m["order"] >= time.Minute {
			t.Errorf("held for a minute: %v", m)
		}
	})
}

// wantPhases holds the phases of a commit against those that are named and the
// least time that they took together.
func wantPhases(t *testing.T, s *status.Status, commit string, least time.Duration, want ...string) {
	t.Helper()
	all := append([]status.Revision{s.Revision}, s.History...)
	at := slices.IndexFunc(all, func(r status.Revision) bool { return r.Commit == commit })
	if at < 0 {
		t.Fatalf("%s is not in the history", commit)
	}
	names, total := []string{}, time.Duration(0)
	for _, p := range all[at].Phases {
		names, total = append(names, p.Name), total+p.Took.D()
	}
	if !slices.Equal(names, want) || total < least {
		t.Errorf("%s (%s): phases %v of %s together, want %v of %s at least", commit, all[at].Outcome, names, total, want, least)
	}
}

func TestPhases_OfCommitsThatDoNotEndWell(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		c.Image("r/web:bad", fake.Program{Runs: time.Second, Code: 3})
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		s := c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		wantPhases(t, s, first, 5*time.Second, "detect", "evaluate", "resolve", "plan", "order", "pull", "start", "healthy")

		back := c.Repo.Push("two", "", "shop/web.cue", web("r/web:bad", ""))
		s = c.Await(20*time.Minute, "rolled back", ended(back, reconciler.RolledBack))
		wantPhases(t, s, back, 5*time.Second, "detect", "evaluate", "resolve", "plan", "order", "pull", "start", "fail", "back")

		broken := c.Repo.Push("three", "", "shop/web.cue", "package shop\nworkloads: web: {")
		s = c.Await(time.Minute, "failed", ended(broken, reconciler.Failed))
		wantPhases(t, s, broken, 0, "detect", "evaluate", "resolve", "plan")
	})
}

// A commit is followed until a newer one has been taken in, also where that was
// seen long before.
func TestPhases_OfASupersededCommitEndAsTheNewerOneIsTakenIn(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Image("r/web:4", fake.Program{Boots: time.Hour})
		slow := c.Repo.Push("slow", "", "shop/web.cue", web("r/web:4", ""))
		c.Await(time.Minute, "ordered", func(s *status.Status) bool {
			return s.Revision.Commit == slow && s.Revision.Outcome == reconciler.Progressing
		})
		time.Sleep(10 * time.Second)
		newer := c.Repo.Push("newer", "", "shop/web.cue", web("r/web:2", ""))
		s := c.Await(5*time.Minute, "applied", ended(newer, reconciler.Applied))
		wantPhases(t, s, slow, 10*time.Second, "detect", "evaluate", "resolve", "plan", "order", "pull", "start", "superseded")
		wantPhases(t, s, newer, 5*time.Second, "detect", "evaluate", "resolve", "plan", "order", "pull", "start", "healthy")
	})
}

// Another server goes on with the phases of the commit in work.
func TestPhases_GoOnAfterARestart(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "one of three", func(s *status.Status) bool { return s.Revision.Commit == second && s.Workloads[0].Updated == 1 })
		time.Sleep(3 * time.Second)
		c.StopServer()
		time.Sleep(7 * time.Second)
		c.StartServer()
		s := c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		wantPhases(t, s, second, 20*time.Second, "detect", "evaluate", "resolve", "plan", "order", "pull", "start", "healthy")
	})
}

// What is taken back after it was promoted tells for how long it was kept.
func TestPhases_OfACommitThatIsTakenBack(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		const sets = `update: {strategy: "blueGreen", blueGreen: {soak: "5s", keepOld: "10m"}}`
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", sets))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", sets))
		c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		time.Sleep(time.Minute)
		if _, err := c.Loop().Operate(t.Context(), reconciler.Wish{Verb: reconciler.AbortWorkload, Of: "shop/web", Actor: "ann"}); err != nil {
			t.Fatal(err)
		}
		s := c.Await(time.Minute, "taken back", ended(second, reconciler.RolledBack))
		wantPhases(t, s, second, time.Minute, "detect", "evaluate", "resolve", "plan", "order", "pull", "start", "healthy", "kept")
	})
}
