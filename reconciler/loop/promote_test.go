package loop_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/memory"
)

// A set waits to be promoted across a restart of the server; the promotion is one
// fact with who and when, the second operator is told of the first, and abort
// brings the traffic back to a set that never went.
func TestOperate_APromotionIsOneFact(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		deployed(t, c)
		text := strings.Replace(web("r/web:2", ""), "update: {", `update: {strategy: "blueGreen", blueGreen: {soak: "5s", promotion: "manual"}, `, 1)
		second := c.Repo.Push("two", "", "shop/web.cue", text)
		waits := func(s *status.Status) bool {
			return len(s.Workloads) > 0 && s.Workloads[0].Proof != nil && !s.Workloads[0].Proof.Ready.IsZero()
		}
		before := c.Await(5*time.Minute, "a set that waits", waits).Workloads[0]
		c.StopServer()
		c.StartServer()
		s := c.Await(5*time.Minute, "it still waits", func(s *status.Status) bool { return waits(s) && s.Workloads[0].Healthy == 3 })
		if w := s.Workloads[0]; w.Serving != before.Serving || w.Serving == w.Digest || !w.Proof.Ready.Equal(before.Proof.Ready) || len(w.Slots) != 6 {
			t.Fatalf("%s serves, ready %v: %s", w.Serving, w.Proof, memory.Brief(s))
		}
		if err := operate(t, c, reconciler.Wish{Verb: reconciler.PromoteWorkload, Of: "shop/web", Actor: "ann", Reason: "fine"}); err != nil {
			t.Fatal(err)
		}
		s = c.Await(time.Minute, "applied", ended(second, reconciler.Applied))
		promoted := s.Workloads[0]
		if promoted.Serving != promoted.Digest || promoted.Proof == nil || promoted.Proof.Promoted == nil || promoted.Proof.Promoted.Actor != "ann" {
			t.Errorf("%s serves: %+v", promoted.Serving, promoted.Proof)
		}
		events, _ := c.Loop().Events(0)
		if !slices.ContainsFunc(events, func(e status.Event) bool { return e.Actor == "ann" && e.Serving == promoted.Digest }) {
			t.Error("no event tells where ann sent the traffic")
		}
		if err := operate(t, c, reconciler.Wish{Verb: reconciler.PromoteWorkload, Of: "shop/web", Actor: "bob"}); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "by ann: fine") {
			t.Errorf("the second operator is told: %v", err)
		}
		if err := operate(t, c, reconciler.Wish{Verb: reconciler.AbortWorkload, Of: "shop/web", Actor: "bob", Reason: "errors"}); err != nil {
			t.Fatal(err)
		}
		s = c.Await(time.Minute, "rolled back", ended(second, reconciler.RolledBack))
		if w := s.Workloads[0]; w.Serving != before.Serving || !strings.Contains(s.Revision.Reason, "aborted by bob: errors") {
			t.Errorf("%s serves: %s", w.Serving, s.Revision.Reason)
		}
		c.Await(5*time.Minute, "one set", func(s *status.Status) bool { return len(s.Workloads[0].Slots) == 3 })
	})
}
