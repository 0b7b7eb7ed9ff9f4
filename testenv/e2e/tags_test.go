package e2e

import (
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/testenv/image"
)

// I16: a tag that moved changes nothing of what runs, not over a restart, a scaling
// or a rollback; who asks for it anew has what it means now.
func TestE2E_TagThatMoved(t *testing.T) { onEach(t, tagThatMoved) }

func tagThatMoved(t *testing.T, on world) {
	s := buildOn(t, on)
	ref := s.moveTag("one")
	s.up(1)
	web := strings.ReplaceAll(strings.Replace(sleeper, `"sleep"`, `"env", "VERSION", "sleep"`, 1), "IMAGE", ref)
	s.put("shop/web", web)
	s.wantOutcome(s.commit("a tag"), reconciler.Applied)
	before := s.of("shop/web")
	s.moveTag("two")

	s.put("shop/late", web)
	s.wantOutcome(s.commit("another workload of that tag"), reconciler.Applied)
	s.wantVersion("shop/late.0", "two")
	s.server.kill()
	s.agents["n1"].kill()
	s.startServer()
	s.startAgent("n1", 1)
	s.eventually("node that is ready", func() bool { return ready(s.status()) == 1 })
	wantSame(t, "after a restart of all but it", before, s.of("shop/web"))

	s.put("shop/web", web+"\treplicas: 2\n")
	s.wantOutcome(s.commit("one more of it"), reconciler.Applied)
	s.wantVersion("shop/web.1", "one")
	for id, x := range before {
		if now := s.of("shop/web")[id]; now != x {
			t.Errorf("container %.12s is %q, was %q", id, now, x)
		}
	}

	s.put("shop/web", strings.ReplaceAll(exits, "IMAGE", s.image)+"\treplicas: 2\n")
	s.wantReason(s.commit("one that exits"), reconciler.RolledBack, "exited with code 3")
	s.eventually("all of the version before", func() bool { return healthy(s.status(), "shop/web") == 2 })
	for _, slot := range []string{"shop/web.0", "shop/web.1"} {
		s.wantVersion(slot, "one")
	}
}

// moveTag makes a tag mean this version, and returns it.
func (s *site) moveTag(version string) string {
	s.t.Helper()
	s.registry.Push(s.t, "test/moving:1", image.Program(s.t, version))
	return s.registry.Addr() + "/test/moving:1"
}

// wantVersion wants a program that runs to have said that it is of this version,
// and nothing else.
func (s *site) wantVersion(slot, version string) {
	s.t.Helper()
	said := ""
	if !within(s.t, awhile, func() bool { said, _ = s.try("bayplan logs " + slot + " 2>/dev/null"); return said != "" }) {
		s.t.Errorf("%s says nothing", slot)
	}
	for line := range strings.Lines(said) {
		if fields := strings.Fields(line); fields[len(fields)-1] != version {
			s.t.Errorf("%s says %q, want %q", slot, line, version)
		}
	}
}
