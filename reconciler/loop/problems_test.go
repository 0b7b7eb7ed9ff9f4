package loop_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/memory"
)

// troubles are the events of problems: "code workload text".
func troubles(c *memory.Cluster) (lines []string) {
	events, _ := c.Loop().Events(0)
	for _, e := range events {
		if e.Kind == "problem" {
			lines = append(lines, e.Code+" "+e.Workload+" "+e.Text)
		}
	}
	return lines
}

// tellsInTurn checks that the events of problems hold these parts, one each.
func tellsInTurn(t *testing.T, c *memory.Cluster, parts ...string) {
	t.Helper()
	got := troubles(c)
	if !slices.EqualFunc(got, parts, strings.Contains) {
		t.Errorf("events of problems\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(parts, "\n"))
	}
}

func TestProblems_BecomeEventsOnceAndAgainWhenOver(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Repo.Trouble(source.Trouble{Code: "git-unreachable", Text: "git: no route to host"})
		time.Sleep(time.Hour)
		tellsInTurn(t, c, "git-unreachable  git: no route to host")

		missing := c.Repo.Push("two", "", "shop/web.cue", web("r/web:9", ""))
		time.Sleep(5 * time.Minute)
		image := "image-not-found shop/web shop/web: image r/web:9 does not exist"
		tellsInTurn(t, c, "git-unreachable", image, "over: git: no route")
		c.Image("r/web:9")
		c.Await(5*time.Minute, "applied", func(s *status.Status) bool { return s.Revision.Commit == missing && s.Workloads[0].Updated == 3 })
		time.Sleep(5 * time.Minute)

		huge := c.Repo.Push("three", "", "shop/web.cue", web("r/web:9", `resources: {cpu: "64", memory: "1Gi"}`))
		c.Await(time.Minute, "seen", func(s *status.Status) bool { return s.Revision.Commit == huge })
		time.Sleep(10 * time.Second)
		tellsInTurn(t, c, "git-unreachable", image, "over: git: no route", "over: shop/web: image", "unplaced shop/web shop/web: none of 3 nodes can take it")
		c.StopServer()
		c.StartServer()
		time.Sleep(10 * time.Second)
		if got := troubles(c); len(got) != 5 {
			t.Errorf("a restarted server tells anew: %q", got)
		}
	})
}

func TestProblems_ThatFlapMakeNoStorm(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Repo.Push("two", "", "shop/web.cue", web("r/web:9", "")) // asked for again and again
		const turns = 200
		for range turns {
			c.Images.Fail(&nodes.Failure{Code: nodes.RegistryUnreachable, Text: "the registry does not answer", Count: 1})
			c.Repo.Trouble(source.Trouble{Code: "git-unreachable", Text: "git: no route to host"})
			time.Sleep(45 * time.Second)
			c.Images.Fail(nil)
			c.Repo.Mend()
			time.Sleep(45 * time.Second)
		}
		if got := troubles(c); len(got) > turns/2 || len(got) < 4 {
			t.Errorf("%d events of %d turns: %q", len(got), turns, got)
		}
	})
}

func TestProblems_OfTheLedgerAreHeardAtOnceAndRecordedLater(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Ledger.Fail(errors.New("disk full"))
		c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "told", hasProblem("ledger-failing"))
		tellsInTurn(t, c, "ledger-failing  disk full")
		if past, _ := c.Ledger.Events(t.Context(), 1); past[0].Kind == "problem" {
			t.Error("recorded by a ledger that fails")
		}
		c.Ledger.Fail(nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		tellsInTurn(t, c, "ledger-failing  disk full", "over: disk full")
		all, _ := c.Ledger.Events(t.Context(), 10_000)
		kept := 0
		for _, e := range all {
			if e.Code == "ledger-failing" {
				kept++
			}
		}
		if kept != 2 {
			t.Errorf("%d of 2 were recorded in the end", kept)
		}
	})
}

func TestProblems_ASilentNodeIsOneMatter(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Cut("n3")
		time.Sleep(10 * time.Minute)
		c.Mend("n3")
		time.Sleep(10 * time.Minute)
		tellsInTurn(t, c, "n3 is unreachable: silent for 15s", "n3 is lost: silent for", "over: n3 is lost")
	})
}

func TestProblems_OfTheLedgerHaveOneCause(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Ledger.Fail(errors.New("no space left on device"))
		c.Troubles(status.Problem{Code: "disk-low", Text: "the disk is full", Next: "free space"})
		c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "told", hasProblem("disk-low"))
		time.Sleep(time.Minute)
		if s, _ := c.Loop().Status(); hasProblem("ledger-failing")(s) {
			t.Error(memory.Brief(s))
		}
	})
}
