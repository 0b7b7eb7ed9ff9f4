package loop_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
	"github.com/bayplan/bayplan/testenv/memory"
)

const (
	gated = "package root\ncluster: gates: pinPlans: true\n"
	open  = "package root\ncluster: gates: pinPlans: false\n"
)

// specAs evaluates files as a commit.
func specAs(t *testing.T, commit string, files ...string) schema.Spec {
	t.Helper()
	tree := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		tree[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	spec, err := load.Load(tree, schema.Revision{Commit: commit})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// pin approves the plan of head against base.
func pin(t *testing.T, c *memory.Cluster, actor string, base, head schema.Spec) *status.Preview {
	t.Helper()
	p, err := c.Loop().PreviewAndPin(t.Context(), "", &base, head, actor)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func held(commit, why string) func(*status.Status) bool {
	return func(s *status.Status) bool {
		return ended(commit, reconciler.Held)(s) && strings.Contains(s.Revision.Reason, why)
	}
}

// inGated plays a test in a cluster whose plans are pinned, on commit "one" with
// web and api.
func inGated(t *testing.T, play func(t *testing.T, c *memory.Cluster, one []string)) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		one := []string{"cluster.cue", gated, "shop/web.cue", web("r/web:1", ""), "shop/api.cue", named("api", "r/web:1")}
		first := c.Repo.Push("one", "", one...)
		c.Await(time.Minute, "the first commit has no gate before it", ended(first, reconciler.Applied))
		play(t, c, one)
	})
}

// changed are the files with one of another text.
func changed(files []string, name, text string) []string {
	all := append([]string{}, files...)
	for i := 0; i < len(all); i += 2 {
		if all[i] == name {
			all[i+1] = text
		}
	}
	return all
}

// What nobody approved is held, an approval releases it, and is used up with it:
// the record says whose it was. The same plan is then no longer approved.
func TestGate_HoldsWhatNobodyApproved(t *testing.T) {
	inGated(t, func(t *testing.T, c *memory.Cluster, one []string) {
		two := changed(one, "shop/web.cue", web("r/web:2", ""))
		second := c.Repo.Push("two", "", two...)
		s := c.Await(time.Minute, "held", held(second, "nobody approved a plan that says shop/web: image: r/web:1 → r/web:2, and 1 more"))
		if s.Workloads[1].Updated != 3 || s.Workloads[1].State != "running" {
			t.Errorf("what was in force does not stay: %s", memory.Brief(s))
		}
		p := pin(t, c, "ann", specAs(t, "fork", one...), specAs(t, "head", two...))
		if !p.Pinned || len(p.Changes) != 1 {
			t.Errorf("%+v", p)
		}
		s = c.Await(2*time.Minute, "applied", ended(second, reconciler.Applied))
		if got := s.Revision.Approved; len(got) != 1 || got[0] != "ann (a pinned plan)" {
			t.Errorf("approved by %q", got)
		}
		facts, err := c.Ledger.Facts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last := facts.Commits[len(facts.Commits)-1]
		if len(facts.Plans) != 0 || len(last.Vouched) != 1 || last.Vouched[0].Actor != "ann" || last.Vouched[0].Commit != "head" {
			t.Errorf("the approval is not used up, or not recorded: %+v, %+v", facts.Plans, last.Vouched)
		}
		third := c.Repo.Push("back", "", one...)
		c.Await(time.Minute, "held", held(third, "nobody approved a plan that says shop/web"))
		fourth := c.Repo.Push("again", "", two...)
		c.Await(time.Minute, "what is in force needs no approval", func(s *status.Status) bool { return s.Revision.Commit == fourth && s.Revision.Outcome.Ended() })
	})
}

// Two approved pull requests that are merged at once are what was approved, however
// they are merged; a third thing beside them is not.
func TestGate_SeveralPlansTogether(t *testing.T) {
	inGated(t, func(t *testing.T, c *memory.Cluster, one []string) {
		base := specAs(t, "fork", one...)
		pin(t, c, "ann", base, specAs(t, "h1", changed(one, "shop/web.cue", web("r/web:2", ""))...))
		pin(t, c, "bob", base, specAs(t, "h2", changed(one, "shop/api.cue", named("api", "r/web:3"))...))
		both := changed(changed(one, "shop/web.cue", web("r/web:2", "")), "shop/api.cue", named("api", "r/web:3"))
		more := c.Repo.Push("both and more", "", append(both, "pay/till.cue", payOK)...)
		c.Await(time.Minute, "held", held(more, " does not say pay/till: create of r/web:1@sha256:"))
		last := c.Repo.Push("both", "", append(both, "pay/till.cue", "package pay\n")...)
		c.Await(5*time.Minute, "applied", ended(last, reconciler.Applied))
	})
}

// An image that is another by the time of the merge is not what was approved, even
// where its tag is the same; an operator can let it through.
func TestGate_ATagThatMoved(t *testing.T) {
	inGated(t, func(t *testing.T, c *memory.Cluster, one []string) {
		two := changed(one, "shop/web.cue", web("r/web:2", ""))
		pin(t, c, "ann", specAs(t, "fork", one...), specAs(t, "head", two...))
		moved := "r/web:2@sha256:" + strings.Repeat("f", 64)
		c.Images.Set("r/web:2", moved)
		c.Engine.Image(moved)
		second := c.Repo.Push("two", "", two...)
		s := c.Await(time.Minute, "held", held(second, "the plan of head that ann pinned says shop/web: pinned: r/web:1@sha256:"))
		if !strings.HasSuffix(s.Revision.Reason, "r/web:2@sha256:ffffffffffff") || !hasProblem("held")(s) {
			t.Errorf("%s: %+v", s.Revision.Reason, s.Problems)
		}
		if _, err := c.Loop().Approve(t.Context(), second, "bob"); err != nil {
			t.Fatal(err)
		}
		c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
	})
}

// A commit opens no gate for itself, and one that changes nothing needs nobody.
func TestGate_NoCommitOpensItsOwn(t *testing.T) {
	inGated(t, func(t *testing.T, c *memory.Cluster, one []string) {
		nothing := c.Repo.Push("a readme", "", append(one, "README.md", "harbour")...)
		c.Await(time.Minute, "it has no effect", ended(nothing, reconciler.NoEffect))
		opening := changed(changed(one, "cluster.cue", open), "shop/web.cue", web("r/web:2", ""))
		second := c.Repo.Push("open", "", opening...)
		c.Await(time.Minute, "held", held(second, "nobody approved a plan that says the cluster: gates.pinPlans: true → nothing"))
		pin(t, c, "ann", specAs(t, "fork", one...), specAs(t, "head", opening...))
		c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		third := c.Repo.Push("free", "", changed(opening, "shop/web.cue", web("r/web:3", ""))...)
		c.Await(5*time.Minute, "nothing is held any more", ended(third, reconciler.Applied))
		if _, err := c.Loop().PreviewAndPin(t.Context(), "", nil, specAs(t, "head", one...), "ann"); err == nil || !strings.Contains(err.Error(), "pinPlans") {
			t.Errorf("a plan is pinned for nobody: %v", err)
		}
	})
}

// What finds no place now, and did when it was approved, is no more what was
// approved; where it does is no matter. It goes on by itself once there is room.
func TestGate_WhatFindsNoPlaceAnyMore(t *testing.T) {
	inGated(t, func(t *testing.T, c *memory.Cluster, one []string) {
		two := changed(one, "shop/web.cue", web("r/web:2", "maxPer: node: 1\n\tupdate: maxUnavailable: 1"))
		p := pin(t, c, "ann", specAs(t, "fork", one...), specAs(t, "head", two...))
		if len(p.Unplaced) > 0 {
			t.Fatalf("%+v", p.Unplaced)
		}
		c.Cut("n3")
		c.Await(2*time.Minute, "lost", func(s *status.Status) bool { return s.Nodes[2].State == "lost" })
		second := c.Repo.Push("two", "", two...)
		c.Await(time.Minute, "held", held(second, "of shop/web would find no place, not 0, which no approved plan says"))
		c.Mend("n3")
		c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
	})
}

// I21: approvals outlive the server that recorded them.
func TestGate_ApprovalsSurviveARestart(t *testing.T) {
	inGated(t, func(t *testing.T, c *memory.Cluster, one []string) {
		two := changed(one, "shop/web.cue", web("r/web:2", ""))
		pin(t, c, "ann", specAs(t, "fork", one...), specAs(t, "head", two...))
		c.StopServer()
		c.StartServer()
		second := c.Repo.Push("two", "", two...)
		c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		if s, _ := c.Loop().Status(); len(s.History) > 0 && s.History[0].Outcome == reconciler.Held {
			t.Error("it was held")
		}
	})
}

// An approval that is taken back counts no more.
func TestGate_AnApprovalTakenBack(t *testing.T) {
	inGated(t, func(t *testing.T, c *memory.Cluster, one []string) {
		two := changed(one, "shop/web.cue", web("r/web:2", ""))
		pin(t, c, "ann", specAs(t, "fork", one...), specAs(t, "head", two...))
		on, plans := c.Loop().Pins()
		if !on || len(plans) != 1 {
			t.Fatalf("%v %+v", on, plans)
		}
		if err := c.Loop().Unpin(t.Context(), plans[0].Voucher, "it was dismissed"); err != nil {
			t.Fatal(err)
		}
		second := c.Repo.Push("two", "", two...)
		c.Await(time.Minute, "held", held(second, "nobody approved"))
	})
}

// The operators' gate holds for every repository, each of whose plans is compared
// with what is in force of its own.
func TestGate_OfAnotherRepository(t *testing.T) {
	inGated(t, func(t *testing.T, c *memory.Cluster, _ []string) {
		b := c.Follow("b")[0]
		files := []string{"cats/tom.cue", team("cats", "r/web:1")}
		first := b.Push("one", "", files...)
		c.Await(time.Minute, "held", func(s *status.Status) bool {
			return endedIn("b", first, reconciler.Held)(s) && strings.HasPrefix(s.Newest("b").Reason, "nobody approved a plan that says cats/web: create of r/web:1@sha256:")
		})
		if _, err := c.Loop().Approve(t.Context(), first, "ann"); err != nil {
			t.Fatal(err)
		}
		c.Await(5*time.Minute, "applied", endedIn("b", first, reconciler.Applied))
		second := b.Push("two", "", "cats/tom.cue", team("cats", "r/web:2"))
		c.Await(time.Minute, "held", func(s *status.Status) bool {
			return endedIn("b", second, reconciler.Held)(s) && strings.HasPrefix(s.Newest("b").Reason, "nobody approved a plan that says cats/web: image: r/web:1 → r/web:2")
		})
	})
}
