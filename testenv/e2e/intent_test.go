package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
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
	s.eventually("end of the trouble with Git", func() bool { return !strings.Contains(s.shell("bayplan status"), "git-") })
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
	s.eventually("end of the faults", func() bool { return !strings.Contains(s.shell("bayplan status"), "spec-invalid") })
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

// I7, I12: whatever becomes of the branch, what is in force stays in force, and
// status says why.
func TestE2E_BranchesThatAskForNothing(t *testing.T) {
	s := build(t)
	s.up(1)
	s.put("shop/web", sleeper)
	s.put("blog/web", sleeper)
	good := s.commit("two workloads")
	s.wantOutcome(good, reconciler.Applied)
	running := s.containers()
	git := "git -C " + filepath.Join(s.dir, "repo.git") + " "

	s.shell(git + "update-ref -d refs/heads/main")
	s.wantShown("git-branch-missing", "next: ")
	wantSame(t, "without the branch", running, s.containers())
	s.shell(git + "update-ref refs/heads/main " + good)
	s.eventually("end of the trouble", func() bool { return !strings.Contains(s.shell("bayplan status"), "git-") })

	s.shell("cd " + s.clone + " && git rm -rqf . && git commit -q -m 'an empty tree' && git push -q")
	r := s.wantOutcome(s.shell("git -C "+s.clone+" rev-parse HEAD"), reconciler.Failed)
	wantText(t, "the reason", r.Reason, "holds no file", "stays in force")
	wantSame(t, "with an empty tree", running, s.containers())

	s.shell("cd " + s.clone + " && git reset -q --hard " + good + " && git commit -q --amend -m 'another history' && git push -qf")
	rewritten := s.shell("git -C " + s.clone + " rev-parse HEAD")
	r = s.wantOutcome(rewritten, reconciler.Held)
	wantText(t, "the reason", r.Reason, "does not descend from "+good[:10])
	s.wantShown("bayplan approve " + rewritten[:10])
	wantSame(t, "with another history", running, s.containers())
	s.shell("bayplan approve " + rewritten)
	s.eventually("end of the commit", func() bool { return s.revision(rewritten).Outcome == reconciler.NoEffect })

	s.put("shop/more", sleeper)
	corrupt := s.shell("cd " + s.clone + " && git add -A && git commit -q -m 'to be damaged' && git rev-parse HEAD")
	tree := damage(s, git, corrupt)
	s.wantShown("git-corrupt", tree, "next: git -C "+filepath.Join(s.dir, "repo.git")+" fsck")
	wantSame(t, "with a damaged commit", running, s.containers())
	s.shell("rm -rf " + filepath.Join(s.dir, "repo.git") + " && git clone -q --bare " + s.clone + " " + filepath.Join(s.dir, "repo.git"))
	s.wantOutcome(corrupt, reconciler.Applied)
	for id, x := range s.containers() {
		if was, there := running[id]; there && was != x {
			t.Errorf("container %.12s is %s, was %s", id, x, was)
		}
	}
}

// damage brings the commit into the repository without its tree, then moves the
// branch there. It returns the tree that is missing.
func damage(s *site, git, commit string) string {
	s.t.Helper()
	tree := s.shell("git -C " + s.clone + " rev-parse " + commit + ":shop")
	s.shell("cd " + s.clone + " && for o in $(git rev-list --objects " + commit + " ^" + commit + "^ | cut -d' ' -f1); do" +
		" [ $o = " + tree + " ] && continue; p=$(echo $o | sed 's,^..,&/,');" +
		" mkdir -p ../repo.git/objects/${p%/*} && cp -f .git/objects/$p ../repo.git/objects/$p; done")
	s.shell(git + "update-ref refs/heads/main " + commit)
	return tree
}
