package loop_test

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/memory"
)

func TestLoop_AnOvertakenCommitStaysAway(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		waits := c.Repo.Push("an image that is missing", "", "shop/web.cue", web("r/web:9", ""))
		c.Await(time.Minute, "seen", func(s *status.Status) bool { return s.Revision.Commit == waits })
		empty := c.Repo.Push("empty", "", "README.md", "hello")
		c.Await(time.Minute, "refused", ended(empty, reconciler.Failed))
		c.Image("r/web:9")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if s, _ := c.Loop().Status(); s.Revision.Commit != empty {
			t.Error(memory.Brief(s))
		}
	})
}

func TestLoop_TwoQuickPushesBothEnd(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		c.Images.Hang(true)
		a := c.Repo.Push("a", "", "shop/web.cue", web("r/web:2", ""))
		time.Sleep(time.Second) // seen, and waiting for its image
		c.Images.Hang(false)
		b := c.Repo.Push("b", "", "shop/web.cue", web("r/web:3", ""))
		s := c.Await(5*time.Minute, "the newer one applied", ended(b, reconciler.Applied))
		for _, h := range s.History {
			if h.Commit == a && h.Outcome == reconciler.Superseded {
				return
			}
		}
		t.Errorf("the older one has no end: %+v", s.History)
	})
}

func TestLoop_ACommitThatComesBackIsToldOnce(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		text := web("r/web:1", "")
		c.Repo.Push("one", "", "shop/web.cue", text)
		c.Await(time.Minute, "applied", func(s *status.Status) bool { return s.Revision.Outcome == reconciler.Applied })
		c.StopServer()
		time.Sleep(time.Second)
		c.StartServer()
		second := c.Repo.Push("two", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(5*time.Minute, "applied", ended(second, reconciler.Applied))
		time.Sleep(time.Minute)
		synctest.Wait()
		events, _ := c.Loop().Events(0)
		times := map[string]int{}
		for _, e := range events {
			if e.Kind == "commit" {
				times[e.Text]++
			}
		}
		for text, n := range times {
			if n > 1 {
				t.Errorf("%d times: %s", n, text)
			}
		}
	})
}

func TestLoop_CommitsPushedTogetherAllEnd(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		var a, b, tip string
		c.Repo.Together(func(commit func(subject string, files ...string) string) {
			a = commit("a", "shop/web.cue", "package shop\nworkloads: {{{")
			b = commit("b", "shop/web.cue", web("r/web:2", ""))
			tip = commit("c", "shop/web.cue", web("r/web:3", ""))
		})
		s := c.Await(5*time.Minute, "the tip applied", ended(tip, reconciler.Applied))
		var got []string
		for _, h := range s.History {
			got = append(got, h.Commit[:10]+" "+string(h.Outcome)+" "+h.Reason)
		}
		reason := " Superseded by " + tip[:10] + " before it was looked at"
		want := []string{b[:10] + reason, a[:10] + reason, first[:10] + " Applied "}
		if !slices.Equal(got, want) {
			t.Errorf("history\n%q\nwant\n%q", got, want)
		}
		for _, h := range s.History[:2] {
			if len(h.Phases) != 2 || h.Phases[0].Name != "detect" || h.Phases[1].Name != "superseded" {
				t.Errorf("phases of %s: %v", h.Commit[:10], h.Phases)
			}
		}
		if told := tellings(c, "commit"); told[a] != 1 || told[b] != 1 {
			t.Errorf("events of each commit: %v", told)
		}
	})
}

func TestLoop_CommitsUnderWayStayInWorkUntilANewerOneIsReady(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
		rolling := c.Repo.Push("rolling", "", "shop/web.cue", web("r/web:2", ""))
		c.Await(time.Minute, "under way", ended(rolling, reconciler.Progressing))
		c.Images.Hang(true)
		var waits, tip string
		c.Repo.Together(func(commit func(subject string, files ...string) string) {
			waits = commit("waits", "shop/web.cue", web("r/web:1", "args: [\"1\"]"))
			tip = commit("tip", "shop/web.cue", web("r/web:8", ""))
		})
		time.Sleep(time.Second) // the tip waits for its image
		if s, _ := c.Loop().Status(); !ended(rolling, reconciler.Progressing)(s) {
			t.Error(memory.Brief(s))
		}
		s := c.Await(time.Minute, "the tip in work", ended(tip, reconciler.Progressing))
		if len(s.History) != 3 || s.History[0].Commit != waits || s.History[1].Commit != rolling || s.History[1].Reason != "by "+tip[:10] {
			t.Errorf("history %+v", s.History)
		}
	})
}

// Two commits a second for a minute: the newest is applied, and each of the others
// has an end.
func TestLoop_TwoCommitsASecondForAMinute(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		var all []string
		for i := range 120 {
			all = append(all, c.Repo.Push("quick", strconv.Itoa(i), "shop/web.cue", web("r/web:"+strconv.Itoa(1+i%3), "")))
			time.Sleep(500 * time.Millisecond)
		}
		newest := all[len(all)-1]
		c.Await(5*time.Minute, "the newest applied", ended(newest, reconciler.Applied))
		h, err := c.Loop().History(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		ends := map[string]reconciler.Outcome{}
		for _, x := range h.Commits {
			ends[x.Commit] = x.Outcome
		}
		for i, commit := range all[max(0, len(all)-reconciler.MaxCommits):] {
			if got := ends[commit]; commit != newest && got != reconciler.Superseded && got != reconciler.Applied {
				t.Errorf("commit %d is %q", i, got)
			}
		}
	})
}

// tellings are how many events of a kind there are about each commit.
func tellings(c *memory.Cluster, kind string) map[string]int {
	events, _ := c.Loop().Events(0)
	told := map[string]int{}
	for _, e := range events {
		if e.Kind == kind {
			told[e.Commit]++
		}
	}
	return told
}
