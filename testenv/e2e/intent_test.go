package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// I4, I7: a repository that went away, and commits that do not validate, stop
// nothing; both are told with the reason, and both end.
func TestE2E_GitAwayOrInvalid(t *testing.T) {
	s := build(t)
	s.up(2)
	s.put("shop/web", sleeper)
	s.put("blog/web", sleeper)
	s.wantOutcome(s.commit("two teams"), reconciler.Applied)
	running := s.containers()
	t.Run("repository away", func(t *testing.T) { repositoryAway(s.in(t), running) })
	t.Run("commit with faults", func(t *testing.T) { commitWithFaults(s.in(t), running) })
}

func repositoryAway(s *site, running map[string]string) {
	repo := filepath.Join(s.dir, "repo.git")
	rename(s.t, repo, repo+".away")
	s.wantShown("git-", repo)
	wantSame(s.t, "while Git is away", running, s.containers())
	s.server.kill()
	s.startServer() // with nothing but the mirror
	s.wantShown("git-", repo)
	s.eventually("nodes that are heard", func() bool { return ready(s.status()) == 2 })
	wantSame(s.t, "after a restart while Git is away", running, s.containers())

	rename(s.t, repo+".away", repo)
	s.write("shop/notes.cue", "package shop\n// a comment\n")
	s.wantOutcome(s.commit("Git is back"), reconciler.NoEffect)
	if shown := s.shell("bayplan status"); contains(shown, "git-") {
		s.t.Errorf("Git is back, and status still says:\n%s", shown)
	}
	wantSame(s.t, "after Git came back", running, s.containers())
}

// faults are files that do not validate, and where and what is said about each.
var faults = []struct{ path, text, where, what string }{
	{"syntax/w.cue", "package w\n\nworkloads: w: {\n\tkind: \n}}\n", "syntax/w.cue:5:", "expected"},
	{"field/w.cue", "package w\n\nworkloads: w: {\n\tkind: \"service\"\n\timage: \"a/b:1\"\n\treplica: 2\n}\n", "field/w.cue:6:", "replica"},
	{"unit/w.cue", "package w\n\nworkloads: w: {\n\tkind: \"service\"\n\timage: \"a/b:1\"\n\tresources: memory: \"12Mb\"\n}\n", "unit/w.cue:6:", "256Mi"},
	{"below/w.yaml", "workloads:\n  w:\n    kind: service\n    image: a/b:1\n    replicas: -1\n", "below/w.yaml:5:", "0 to 10000"},
	{"twice/one.yaml", "workloads:\n  w: {kind: service, image: \"a/b:1\"}\n", "twice/", "w"},
	{"twice/two.yaml", "workloads:\n  w: {kind: service, image: \"a/b:2\"}\n", "twice/", "w"},
}

func commitWithFaults(s *site, running map[string]string) {
	for _, f := range faults {
		s.write(f.path, f.text)
	}
	s.put("shop/web", sleeper+"\treplicas: \"two\"\n")
	s.put("blog/more", sleeper)
	out, code := s.try("bayplan validate " + s.clone + " 2>&1")
	if code != 5 {
		s.t.Errorf("validate: exit code %d, want 5", code)
	}
	r := s.wantOutcome(s.commit("faults"), reconciler.Failed)
	shown := s.shell("bayplan status")
	for _, f := range faults {
		wantText(s.t, "validate", out, f.where, f.what)
		wantText(s.t, "status", shown, f.where, f.what)
	}
	wantText(s.t, "status", shown, "shop/web.cue:10:", "spec-invalid", "next: ", "bayplan validate")
	wantText(s.t, "the commit's reason", r.Reason, ":")
	now := s.containers()
	if len(s.of("blog/more")) != 1 {
		s.t.Errorf("a team without faults waits for those with some:\n%s", shown)
	}
	maps.DeleteFunc(now, func(id, _ string) bool { _, was := running[id]; return !was })
	wantSame(s.t, "with faults in the newest commit", running, now)

	for _, f := range faults {
		os.RemoveAll(filepath.Join(s.clone, filepath.Dir(f.path)))
	}
	s.put("shop/web", sleeper)
	if got := s.await(s.commit("corrected")); got != reconciler.NoEffect && got != reconciler.Applied {
		s.t.Errorf("corrected: %s", got)
	}
	if shown := s.shell("bayplan status"); contains(shown, "spec-invalid") {
		s.t.Errorf("corrected, and status still says:\n%s", shown)
	}
}

// A commit that would remove most of the workloads waits for someone.
func TestE2E_LargeRemovalIsHeld(t *testing.T) {
	s := build(t)
	s.up(1)
	for _, name := range []string{"a", "b", "c"} {
		s.put("shop/"+name, sleeper)
	}
	s.wantOutcome(s.commit("three workloads"), reconciler.Applied)
	running := s.containers()

	removal := s.push("git rm -q shop/a.cue shop/b.cue")
	r := s.wantOutcome(removal, reconciler.Held)
	if want := []string{"shop/a", "shop/b"}; len(r.Removals) != 2 || r.Removals[0] != want[0] || r.Removals[1] != want[1] {
		t.Errorf("removals %v, want %v", r.Removals, want)
	}
	s.wantShown("Held", "would remove 2 of 3 workloads", "- shop/a", "- shop/b", "next: bayplan approve "+removal[:10])
	said, code := s.try("bayplan status --wait --timeout 60s --revision " + removal + " 2>&1")
	if code != 1 {
		t.Errorf("status --wait of a held commit: exit code %d", code)
	}
	wantText(t, "status --wait", said, "Held", "shop/a, shop/b", "bayplan approve "+removal[:10])
	wantSame(t, "while it is held", running, s.containers())
	s.server.kill()
	s.startServer()
	s.wantShown("Held", "- shop/a")
	wantSame(t, "held over a restart", running, s.containers())

	s.shell("bayplan approve " + removal[:10])
	s.eventually("end of what was removed", func() bool { return len(s.containers()) == 1 })
	s.eventually("end of the commit", func() bool { return s.revision(removal).Outcome == reconciler.Applied })
	for id, x := range s.of("shop/c") {
		if running[id] != x {
			t.Errorf("shop/c was touched: %s, was %s", x, running[id])
		}
	}
	wantText(t, "events", s.shell("bayplan events"), "approve")
}

// A removal that the commit's message allows needs nobody; one of half is no
// large one.
func TestE2E_AllowedRemovalIsNotHeld(t *testing.T) {
	s := build(t)
	s.up(1)
	s.write("cluster.cue", "package cluster\n\ncluster: {}\n") // a tree without files would say nothing
	for _, name := range []string{"a", "b", "c", "d"} {
		s.put("shop/"+name, sleeper)
	}
	s.wantOutcome(s.commit("four workloads"), reconciler.Applied)
	s.wantOutcome(s.push("git rm -q shop/a.cue shop/b.cue"), reconciler.Applied)
	s.shell("cd " + s.clone + " && git rm -q shop/c.cue shop/d.cue && git commit -q -m 'all go' -m 'Bayplan-Allow-Removal: 2' && git push -q")
	s.eventually("end of every container", func() bool { return len(s.containers()) == 0 })
}
