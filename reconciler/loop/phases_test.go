package loop_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
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
