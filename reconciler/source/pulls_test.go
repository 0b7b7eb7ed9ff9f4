package source

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
)

// openPulls reads pull requests over git's own http-backend.
func openPulls(t *testing.T, r *repo) *Pulls {
	t.Helper()
	g := serveHTTP(t, r, (*httptest.Server).Start)
	p, err := OpenPulls(g.config(t, r))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestPulls_ReadsThemWithWhereTheyLeft: refs as each forge has them, and none that
// only look alike; the branch may have gone on meanwhile.
func TestPulls_ReadsThemWithWhereTheyLeft(t *testing.T) {
	r := newRepo(t)
	r.push("shop/web.cue", "one", "first")
	fork := r.push("shop/web.cue", "two", "second")
	r.git("checkout", "-q", "-b", "side")
	r.commit("shop/web.cue", "mine", "mine")
	head := r.commit("shop/api.cue", "new", "mine, too")
	r.git("push", "-q", "origin", "HEAD:refs/pull/7/head", "HEAD:refs/pull/7/merge", "HEAD:refs/pull/x/head", "HEAD:refs/pull/8/head/2")
	r.git("push", "-q", "origin", fork+":refs/merge-requests/12/head")
	r.git("checkout", "-q", "main")
	tip := r.push("shop/db.cue", "db", "third")
	p := openPulls(t, r)
	all, branch, err := p.List(t.Context())
	if got, want := fmt.Sprint(all), fmt.Sprint([]Pull{{7, head}, {12, fork}}); err != nil || got != want || branch != tip {
		t.Fatalf("%s at %s, %v; want %s at %s", got, branch, err, want, tip)
	}
	for range 2 { // the second time nothing is to be fetched
		is, was, err := p.Bring(t.Context(), 7)
		if err != nil || is.Revision.Commit != head || was.Revision.Commit != fork {
			t.Fatalf("%s from %s, %v; want %s from %s", is.Revision.Commit, was.Revision.Commit, err, head, fork)
		}
		if a, b := content(t, is.Files, "shop/web.cue"), content(t, was.Files, "shop/web.cue"); a != "mine" || b != "two" {
			t.Errorf("%q from %q", a, b)
		}
	}
	if is, was, err := p.Bring(t.Context(), 12); err != nil || is.Revision.Commit != fork || was.Revision.Commit != fork {
		t.Errorf("one without a commit of its own: %s from %s, %v", is.Revision.Commit, was.Revision.Commit, err)
	}
	if _, _, err := p.Bring(t.Context(), 9); err == nil {
		t.Error("one that is not there was brought")
	}
}

// TestPulls_OneThatMergedTheBranchLeftFromThere: what it took over is not its own.
func TestPulls_OneThatMergedTheBranchLeftFromThere(t *testing.T) {
	r := newRepo(t)
	r.push("shop/web.cue", "one", "first")
	r.git("checkout", "-q", "-b", "side")
	r.commit("shop/api.cue", "new", "mine")
	r.git("checkout", "-q", "main")
	later := r.push("shop/web.cue", "two", "second")
	r.git("checkout", "-q", "side")
	r.git("merge", "-q", "--no-edit", "main")
	r.git("push", "-q", "origin", "HEAD:refs/pull/1/head")
	if _, was, err := openPulls(t, r).Bring(t.Context(), 1); err != nil || was.Revision.Commit != later {
		t.Errorf("from %s, %v; want %s", was.Revision.Commit, err, later)
	}
}

// TestPulls_LargeOnesAreRefused, and the next one is read all the same.
func TestPulls_LargeOnesAreRefused(t *testing.T) {
	r := newRepo(t)
	r.push("shop/web.cue", "one", "first")
	r.git("checkout", "-q", "-b", "large")
	for i := range 40 {
		r.write(fmt.Sprintf("shop/%d.cue", i), fmt.Sprintf("x: %d", i))
	}
	r.commit("shop/web.cue", "large", "large")
	r.git("push", "-q", "origin", "HEAD:refs/pull/1/head")
	r.git("checkout", "-q", "main")
	r.git("checkout", "-q", "-b", "small")
	small := r.commit("shop/web.cue", "small", "small")
	r.git("push", "-q", "origin", "HEAD:refs/pull/2/head")
	g := serveHTTP(t, r, (*httptest.Server).Start)
	cfg := g.config(t, r)
	cfg.MaxFiles = 20
	p, err := OpenPulls(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, _, err := p.Bring(t.Context(), 1); err == nil {
		t.Error("a tree above the limit was brought")
	}
	if is, _, err := p.Bring(t.Context(), 2); err != nil || is.Revision.Commit != small {
		t.Errorf("the next one: %s, %v", is.Revision.Commit, err)
	}
}

// TestPulls_OfARepositoryOnDisk are not read.
func TestPulls_OfARepositoryOnDisk(t *testing.T) {
	r := newRepo(t)
	r.push("shop/web.cue", "one", "first")
	if _, err := OpenPulls(r.config()); !errors.Is(err, ErrNoPulls) {
		t.Error(err)
	}
}
