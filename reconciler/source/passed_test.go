package source

import (
	"fmt"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/schema"
)

func hashes(all []schema.Revision) []string {
	out := []string{}
	for _, r := range all {
		out = append(out, r.Commit)
	}
	return out
}

// at commits with a time of its own, in minutes.
func (r *repo) at(minute int, name, message string) string {
	stamp := fmt.Sprintf("2026-03-01T12:%02d:00Z", minute)
	r.env = append(r.env, "GIT_COMMITTER_DATE="+stamp, "GIT_AUTHOR_DATE="+stamp)
	return r.commit(name, message, message)
}

func (w *watcher) passedWith(commit string, want ...string) {
	w.t.Helper()
	u := w.next()
	if u.Tip == nil || u.Tip.Revision.Commit != commit {
		w.t.Fatalf("update %s, want the tip %s", show(u), commit)
	}
	if d := cmp.Diff(want, hashes(u.Passed)); d != "" {
		w.t.Errorf("passed (-want +got):\n%s", d)
	}
}

func TestWatch_TellsEachCommitOfAPush(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "1", "first")
	cfg := r.config()
	w := watch(t, cfg)
	w.passedWith(first, []string{}...)
	second, third := r.at(1, "b.cue", "second"), r.at(2, "c.cue", "third")
	w.passedWith(r.push("a.cue", "4", "fourth"), second, third)
	w.stop()

	fifth := r.at(5, "b.cue", "fifth")
	sixth := r.push("a.cue", "6", "sixth")
	watch(t, cfg).passedWith(sixth, fifth)
}

func TestWatch_TellsTheCommitsOfAMergedBranchAlone(t *testing.T) {
	r := newRepo(t)
	r.at(1, "a.cue", "base")
	r.git("push", "-q", "origin", "HEAD:main")
	w := watch(t, r.config())
	w.next()
	r.git("checkout", "-q", "-b", "side")
	one, two := r.at(2, "b.cue", "one"), r.at(3, "c.cue", "two")
	r.git("checkout", "-q", "main")
	ours := r.at(4, "d.cue", "ours")
	r.git("push", "-q", "origin", "HEAD:main")
	w.passedWith(ours, []string{}...)
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	r.git("push", "-q", "origin", "HEAD:main")
	w.passedWith(r.git("rev-parse", "HEAD"), one, two)
}

func TestWatch_TellsWhatCameWithARefusedCommit(t *testing.T) {
	r := newRepo(t)
	r.push("a.cue", "1", "first")
	w := watch(t, r.config())
	w.next()
	between := r.commit("b.cue", "2", "between")
	r.git("rm", "-q", "-r", ".")
	r.git("commit", "-q", "-m", "empty")
	r.git("push", "-q", "origin", "HEAD:main")
	u := w.next()
	if u.Trouble == nil || u.Trouble.About.Commit == "" {
		t.Fatalf("update %s, want a trouble about a commit", show(u))
	}
	if d := cmp.Diff([]string{between}, hashes(u.Passed)); d != "" {
		t.Errorf("passed (-want +got):\n%s", d)
	}
}

func TestWatch_BranchThatWentBackBringsNothing(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "1", "first")
	r.commit("a.cue", "2", "second")
	third := r.push("a.cue", "3", "third")
	w := watch(t, r.config())
	w.tip(third)
	r.git("reset", "-q", "--hard", first)
	r.git("push", "-q", "--force", "origin", "HEAD:main")
	w.passedWith(first, []string{}...)
}

// A commit whose clock was a year ahead is met long before its turn, and is
// still known to be old.
func TestPassed_WrongClockIsNoNews(t *testing.T) {
	r := newRepo(t)
	r.at(1, "a.cue", "base")
	r.at(59, "a.cue", "ahead")
	former := r.at(2, "b.cue", "former")
	news, tip := r.at(3, "c.cue", "news"), r.at(4, "d.cue", "tip")
	r.git("push", "-q", "origin", "HEAD:main")
	w := watch(t, r.config())
	w.tip(tip)
	got := w.s.current.Load().passed(t.Context(), plumbing.NewHash(former), plumbing.NewHash(tip))
	if d := cmp.Diff([]string{news}, hashes(got)); d != "" {
		t.Errorf("passed (-want +got):\n%s", d)
	}
}

func TestPassed_NewestOfAHundred(t *testing.T) {
	r := newRepo(t)
	var stream strings.Builder
	for i := range maxPassed + 20 {
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter Ann <ann@example.org> %d +0000\ndata 1\nxM 644 inline a.cue\ndata 1\nx\n", 1_700_000_000+i)
	}
	cmd := exec.Command("git", "-C", r.bare, "fast-import", "--quiet")
	cmd.Stdin = strings.NewReader(stream.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w := watch(t, r.config())
	tip := w.next().Tip.Revision.Commit
	all := strings.Fields(r.run(r.bare, "rev-list", "--reverse", "main"))
	got := hashes(w.s.current.Load().passed(t.Context(), plumbing.NewHash(all[0]), plumbing.NewHash(tip)))
	if d := cmp.Diff(all[len(all)-1-maxPassed:len(all)-1], got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestHTTP_TellsEachCommitOfAPush(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "1", "first")
	w := watch(t, serveHTTP(t, r, (*httptest.Server).Start).config(t, r))
	w.passedWith(first, []string{}...)
	second := r.at(1, "b.cue", "second")
	third := r.push("a.cue", "3", "third")
	w.s.Poke()
	w.passedWith(third, second)
}

// Of commits that were all made in one second, none that was there before is news.
func TestPassed_OneClock(t *testing.T) {
	r := newRepo(t)
	stamp := "2026-03-01T12:00:00Z"
	r.env = append(r.env, "GIT_COMMITTER_DATE="+stamp, "GIT_AUTHOR_DATE="+stamp)
	r.commit("a.cue", "1", "root")
	base := r.commit("b.cue", "1", "base")
	for i := range 20 {
		r.git("checkout", "-q", "-B", "side", base)
		aside := r.commit("c.cue", fmt.Sprint(i), fmt.Sprint("aside ", i))
		r.git("checkout", "-q", "-B", "main", base)
		former := r.commit("d.cue", fmt.Sprint(i), fmt.Sprint("former ", i))
		r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
		r.git("push", "-q", "--force", "origin", "HEAD:main")
		tip := r.git("rev-parse", "HEAD")
		s, err := Open(r.config())
		if err != nil {
			t.Fatal(err)
		}
		w := follows(t, s)
		w.tip(tip)
		got := s.current.Load().passed(t.Context(), plumbing.NewHash(former), plumbing.NewHash(tip))
		if d := cmp.Diff([]string{aside}, hashes(got)); d != "" {
			t.Fatalf("round %d (-want +got):\n%s", i, d)
		}
		w.stop()
	}
}
