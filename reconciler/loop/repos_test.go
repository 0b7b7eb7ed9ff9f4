package loop_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes/roster"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/loop"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/memory"
)

func team(name, image string) string {
	return "package " + name + "\nworkloads: web: {kind: \"service\", image: \"" + image + "\"}"
}

// endedIn is whether a repository's newest commit is the one, and has this outcome.
func endedIn(repo, commit string, outcome reconciler.Outcome) func(*status.Status) bool {
	return func(s *status.Status) bool {
		r := s.Newest(repo)
		return r != nil && r.Commit == commit && r.Outcome == outcome
	}
}

func problemOf(s *status.Status, code, text string) bool {
	return slices.ContainsFunc(s.Problems, func(p status.Problem) bool { return p.Code == code && strings.Contains(p.Text, text) })
}

// I13: each repository is evaluated, held and applied by itself; the operators'
// part holds for all of them, as it is in force.
func TestLoop_SeveralRepositories(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		b := c.Follow("b")[0]
		first := b.Push("one", "", "cats/tom.cue", team("cats", "r/web:1"))
		c.Await(time.Minute, "b waits for a policy", func(s *status.Status) bool {
			return problemOf(s, "operators-unread", "repository b waits until a commit of the operators' is in force")
		})
		ops := c.Repo.Push("policy", "", "cluster.cue", `cluster: policy: labels: by: "one"`, "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "the operators' applied", endedIn("", ops, reconciler.Applied))
		s := c.Await(time.Minute, "b applied", endedIn("b", first, reconciler.Applied))
		if len(s.Problems) > 0 || len(s.Workloads) != 2 || s.Workloads[0].Repo != "b" || s.Workloads[1].Repo != "" || !slices.Equal(s.Repos[0].Teams, []string{"cats"}) {
			t.Fatalf("%+v", s)
		}

		broken := b.Push("broken", "", "cats/tom.cue", "package cats\nworkloads: {{{")
		c.Await(time.Minute, "b failed", endedIn("b", broken, reconciler.Failed))
		ops = c.Repo.Push("another policy", "", "cluster.cue", `cluster: policy: labels: by: "two"`, "shop/web.cue", web("r/web:2", ""))
		c.Await(5*time.Minute, "the operators' applied all the same", endedIn("", ops, reconciler.Applied))

		whole := b.Push("whole again", "", "cats/tom.cue", team("cats", "r/web:1"))
		s = c.Await(5*time.Minute, "b applied", endedIn("b", whole, reconciler.Applied))
		digest := s.Workloads[0].Digest
		ops = c.Repo.Push("a third policy", "", "cluster.cue", `cluster: policy: labels: by: "three"`, "shop/web.cue", web("r/web:2", ""))
		s = c.Await(5*time.Minute, "b under another policy", func(s *status.Status) bool {
			return endedIn("b", whole, reconciler.Applied)(s) && s.Workloads[0].Digest != digest && s.Workloads[0].Updated == 1
		})
		if !endedIn("", ops, reconciler.Applied)(s) {
			c.Await(5*time.Minute, "the operators' applied", endedIn("", ops, reconciler.Applied))
		}
		c.Repo.Push("a policy that b breaks", "", "cluster.cue", `cluster: policy: image: !="r/web:1"`, "shop/web.cue", web("r/web:2", ""))
		c.Await(5*time.Minute, "b is told", func(s *status.Status) bool {
			return problemOf(s, "spec-invalid", "repository b: cats/tom.cue:2:") && endedIn("b", whole, reconciler.Failed)(s)
		})
	})
}

// I12: a branch that is rewritten holds its own repository alone, and its commit is
// let through by the repository's name.
func TestLoop_RewrittenInOneRepository(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		b := c.Follow("b")[0]
		c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		b.Push("one", "", "cats/tom.cue", team("cats", "r/web:1"))
		first := b.Push("two", "", "cats/tom.cue", team("cats", "r/web:2"))
		c.Await(time.Minute, "applied", endedIn("b", first, reconciler.Applied))
		forced := b.Rewrite("forced", "cats/tom.cue", team("cats", "r/web:3"))
		c.Await(time.Minute, "held", endedIn("b", forced, reconciler.Held))
		ops := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(5*time.Minute, "the operators' go on", endedIn("", ops, reconciler.Applied))

		if _, err := c.Loop().Approve(t.Context(), "c:"+forced[:6], "ann"); err == nil {
			t.Error("approved in another repository")
		}
		full, err := c.Loop().Approve(t.Context(), "b:"+forced[:6], "ann")
		if err != nil || full != forced {
			t.Fatal(full, err)
		}
		c.Await(5*time.Minute, "applied", endedIn("b", forced, reconciler.Applied))
		if _, err := c.Loop().Approve(t.Context(), forced[:6], "bob"); err == nil || !strings.Contains(err.Error(), "b:"+forced[:10]+" was approved by ann") {
			t.Errorf("a second approval: %v", err)
		}
	})
}

// A team in two repositories is told of in both, stays with the first, and goes over
// to the other once it is given up: nothing is restarted for that.
func TestLoop_TeamInTwoRepositories(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		b := c.Follow("b")[0]
		text := team("shop", "r/web:1")
		ops := c.Repo.Push("one", "", "shop/web.cue", text, "infra/dns.cue", team("infra", "r/web:1"))
		c.Await(time.Minute, "applied", endedIn("", ops, reconciler.Applied))
		both := b.Push("it, too", "", "shop/web.cue", text)
		s := c.Await(time.Minute, "refused", endedIn("b", both, reconciler.Failed))
		if !problemOf(s, "team-twice", "repository b: shop: the team is in the operators' repository, too") || !problemOf(s, "team-twice", "the operators' repository: repository b has the team, too") {
			t.Errorf("%+v", s.Problems)
		}
		ops = c.Repo.Push("given up", "", "infra/dns.cue", team("infra", "r/web:1"))
		s = c.Await(time.Minute, "gone over", endedIn("b", both, reconciler.NoEffect))
		if !endedIn("", ops, reconciler.NoEffect)(s) || len(s.Problems) > 0 || !slices.Equal(s.Repos[0].Teams, []string{"shop"}) {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		events, _ := c.Loop().Events(0)
		for _, e := range events {
			if e.Kind == "stop" {
				t.Error(e.Text)
			}
		}
	})
}

// I4: who stops following a repository stops nothing of it, also over restarts; it
// is told of, and goes on once it is followed again.
func TestLoop_RepositoryFollowedNoMore(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		b := c.Follow("b")[0]
		c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		first := b.Push("one", "", "cats/tom.cue", team("cats", "r/web:1"))
		c.Await(time.Minute, "applied", endedIn("b", first, reconciler.Applied))
		c.Follow()
		s := c.Await(time.Minute, "told", func(s *status.Status) bool {
			return problemOf(s, "repo-unfollowed", "repository b is followed no more; its one team's workloads stay as they are: cats")
		})
		ops := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(5*time.Minute, "the operators' go on", endedIn("", ops, reconciler.Applied))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if s, _ = c.Loop().Status(); s.Workloads[0].Healthy != 1 || s.Workloads[0].Repo != "b" {
			t.Errorf("%+v", s.Workloads[0])
		}
		c.Follow("b")[0].Push("two", "", "cats/tom.cue", team("cats", "r/web:2"))
		c.Await(5*time.Minute, "it goes on", func(s *status.Status) bool {
			r := s.Newest("b")
			return len(s.Problems) == 0 && r != nil && r.Outcome == reconciler.Applied && r.Subject == "two"
		})
	})
}

// Where the operators' part cannot be read after a restart the others wait, told of
// why; what runs goes on, and they go on with it.
func TestLoop_OperatorsUnreadAtStart(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		b := c.Follow("b")[0]
		ops := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		first := b.Push("one", "", "cats/tom.cue", team("cats", "r/web:1"))
		c.Await(time.Minute, "applied", endedIn("b", first, reconciler.Applied))
		c.StopServer()
		c.Repo.Trouble(source.Trouble{Code: source.CodeUnreachable, Text: "no route"})
		c.StartServer()
		second := b.Push("two", "", "cats/tom.cue", team("cats", "r/web:2"))
		c.Await(time.Minute, "b waits", func(s *status.Status) bool {
			return problemOf(s, "operators-unread", "repository b waits, since the operators' part that holds for it cannot be read")
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if s, _ := c.Loop().Status(); s.Workloads[0].Healthy != 1 || s.Workloads[1].Healthy != 3 {
			t.Errorf("%+v", s.Workloads)
		}
		c.Repo.Mend()
		c.Await(5*time.Minute, "b goes on", endedIn("b", second, reconciler.Applied))
		if s, _ := c.Loop().Status(); !endedIn("", ops, reconciler.Applied)(s) || len(s.Problems) > 0 {
			t.Errorf("%+v", s.Problems)
		}
	})
}

// Commits that come to both at one time each come to their own end.
func TestLoop_CommitsOfTwoRepositoriesAtOnce(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		b := c.Follow("b")[0]
		c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		first := b.Push("one", "", "cats/tom.cue", team("cats", "r/web:1"))
		c.Await(time.Minute, "applied", endedIn("b", first, reconciler.Applied))
		c.Images.Hang(true)
		var mine, theirs []string
		for _, image := range []string{"r/web:2", "r/web:3"} {
			mine = append(mine, c.Repo.Push(image, "", "shop/web.cue", web(image, "")))
			theirs = append(theirs, b.Push(image, "", "cats/tom.cue", team("cats", image)))
			time.Sleep(time.Second) // seen; the first waits for its image
			c.Images.Hang(false)
		}
		c.Await(5*time.Minute, "b's newest", endedIn("b", theirs[1], reconciler.Applied))
		s := c.Await(5*time.Minute, "the operators' newest", endedIn("", mine[1], reconciler.Applied))
		for _, commit := range []string{mine[0], theirs[0]} {
			at := slices.IndexFunc(s.History, func(r status.Revision) bool { return r.Commit == commit })
			if at < 0 || s.History[at].Outcome != reconciler.Superseded {
				t.Errorf("%s: %+v", commit, s.History)
			}
		}
		if x := s.Workloads[slices.IndexFunc(s.Workloads, func(w status.Workload) bool { return w.Name == "cats/web" })]; x.Kind != string(schema.Service) || len(x.Slots) != 1 {
			t.Errorf("%+v", x)
		}
	})
}

// What was a guest so far is not taken for the operators' by a slip of the flags: all
// that it lacks would count as removed (I7).
func TestLoop_AGuestIsNotTakenForTheOperators(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		b := c.Follow("b")[0]
		c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		first := b.Push("one", "", "cats/tom.cue", team("cats", "r/web:1"))
		c.Await(time.Minute, "applied", endedIn("b", first, reconciler.Applied))
		c.StopServer()
		defer c.StartServer()
		l, err := loop.New(loop.Config{Source: b, Fleet: roster.New(time.Now), Ledger: c.Ledger, Resolver: c.Images, Load: evaluate, Followed: status.Followed{Name: "b"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "give the operators' first") {
			t.Errorf("got %v", err)
		}
	})
}
