package e2e

import (
	"maps"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// What an operator holds is left as it is, whatever a commit asks of it, and a
// rollout that is paused takes no further step; all else goes on, and both go on
// once they may.
func TestE2E_HeldAndPaused(t *testing.T) { onEach(t, heldAndPaused) }

func heldAndPaused(t *testing.T, on world) {
	s := buildOn(t, on)
	s.up(2)
	const three = "\treplicas: 3\n"
	s.put("shop/web", sleeper+three)
	s.wantOutcome(s.commit("three"), reconciler.Applied)
	first := s.of("shop/web")
	s.wantExit(0, "bayplan hold shop/web --reason disk --for 1h")
	s.put("shop/web", sleeper+three+"\tenv: EDITION: \"2\"\n")
	s.put("shop/other", sleeper)
	held := s.commit("another edition, and another workload")
	s.eventually("what is not held", func() bool { return healthy(s.status(), "shop/other") == 1 })
	wantSame(t, "what is held", first, s.of("shop/web"))
	if r := s.revision(held); r.Outcome != reconciler.Progressing || !strings.Contains(r.Reason, "disk") {
		t.Errorf("the commit is %s: %s", r.Outcome, r.Reason)
	}
	s.wantExit(0, "bayplan release shop/web")
	s.wantOutcome(held, reconciler.Applied)
	second := s.of("shop/web")
	if n := news(first, second); n != 3 {
		t.Errorf("%d of 3 are another edition after the hold", n)
	}

	slow := strings.Replace(sleeper, `minHealthyTime: "0s"`, `minHealthyTime: "2s"`, 1)
	s.put("shop/web", slow+three+"\tenv: EDITION: \"3\"\n")
	s.commit("a third edition")
	s.eventually("the first of the third edition", func() bool { return news(second, s.of("shop/web")) > 0 })
	s.wantExit(0, "bayplan pause shop/web --reason look")
	// What takes longer than the rest of the rollout would, beside it.
	s.put("shop/later", strings.Replace(slow, `"2s"`, `"10s"`, 1))
	last := s.commit("a workload beside it")
	s.eventually("what is not paused", func() bool { return s.workload("shop/later").State == "running" })
	if n := news(second, s.of("shop/web")); n == 3 || s.workload("shop/web").State != "paused" {
		t.Errorf("%d of 3 went over while it was %+v", n, s.workload("shop/web"))
	}
	s.wantExit(0, "bayplan resume shop/web")
	s.wantOutcome(last, reconciler.Applied)
	if n := news(second, s.of("shop/web")); n != 3 {
		t.Errorf("%d of 3 are the third edition after the pause", n)
	}
}

// news is how many containers there were not before.
func news(before, now map[string]string) int {
	maps.DeleteFunc(now, func(id, _ string) bool { _, was := before[id]; return was })
	return len(now)
}
