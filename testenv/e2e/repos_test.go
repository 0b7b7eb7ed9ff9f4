package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// second is another repository of the site's server, with a clone of its own.
func (s *site) second(name string) *site {
	s.t.Helper()
	other := *s
	other.dev = s.dev.in(s.t)
	other.clone = filepath.Join(s.dir, name)
	bare := filepath.Join(s.dir, name+".git")
	run(s.t, "git", "init", "-q", "--bare", "-b", "main", bare)
	run(s.t, "git", "clone", "-q", bare, other.clone)
	run(s.t, "git", "-C", other.clone, "config", "user.name", "e2e")
	run(s.t, "git", "-C", other.clone, "config", "user.email", "e2e@example.invalid")
	s.flags = append(s.flags, "--repo", name+"=file://"+bare)
	return &other
}

// Two teams with a repository each share a cluster: each commit comes to its own
// end; a broken, a rewritten or an absent repository costs the other nothing; what
// runs outlives the server, and being followed no more.
func TestE2E_TwoRepositories(t *testing.T) {
	s := buildOn(t, builtIn{})
	cats := s.second("cats")
	s.write("cluster.cue", "package ops\n\ncluster: policy: labels: by: \"ops\"\n")
	s.put("shop/web", sleeper)
	cats.put("cats/tom", sleeper)
	mine, theirs := s.commit("of the operators"), cats.commit("of the cats")
	s.up(2)
	s.wantOutcome(mine, reconciler.Applied)
	cats.wantOutcome(theirs, reconciler.Applied)
	s.wantShown("operators", "cats       "+theirs[:10]+"  Applied")
	at := s.containers()

	cats.write("cats/bad.cue", "package cats\n\nworkloads: {{{\n")
	cats.wantOutcome(cats.commit("broken"), reconciler.Failed)
	s.put("shop/more", sleeper)
	s.wantOutcome(s.commit("the other goes on"), reconciler.Applied)
	cats.shell("cd " + cats.clone + " && git reset -q --hard HEAD~1 && git commit -q --amend -m forced && git push -q -f")
	forced := strings.TrimSpace(cats.shell("git -C " + cats.clone + " rev-parse HEAD"))
	cats.wantOutcome(forced, reconciler.Held)
	s.shell("bayplan approve cats:" + forced[:10])
	cats.wantOutcome(forced, reconciler.NoEffect)

	both := cats.push("mkdir shop && cp " + filepath.Join(s.clone, "shop/web.cue") + " shop/")
	cats.wantOutcome(both, reconciler.Failed)
	s.wantShown("team-twice", "the operators' repository: repository cats has the team, too")
	cats.wantOutcome(cats.push("git rm -q -r shop"), reconciler.NoEffect)

	rename(t, filepath.Join(s.dir, "cats.git"), filepath.Join(s.dir, "away.git"))
	s.server.kill()
	s.startServer()
	s.wantShown("git-repository-missing  repository cats: ")
	s.wantOutcome(s.push("git rm -q shop/more.cue"), reconciler.Applied)
	rename(t, filepath.Join(s.dir, "away.git"), filepath.Join(s.dir, "cats.git"))

	s.server.kill()
	s.flags = nil
	s.startServer()
	s.wantShown("followed no more; its teams stay as they are: cats", "repo-unfollowed")
	s.put("shop/last", sleeper)
	s.wantOutcome(s.commit("alone"), reconciler.Applied)
	now := s.containers()
	for name, life := range at {
		if now[name] != life {
			t.Errorf("%s: was %s, is %s", name, life, now[name])
		}
	}
}
