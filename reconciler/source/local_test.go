package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func content(t *testing.T, files fs.FS, name string) string {
	t.Helper()
	data, err := fs.ReadFile(files, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWatch_PushSeenAtOnce(t *testing.T) {
	r := newRepo(t)
	first := r.push("hello/web.cue", "one", "first subject\n\nwhy it is so\n\nBayplan-Allow-Removal: 3")
	w := watch(t, r.config())
	tip := w.tip(first)
	want := tip.Revision
	want.Author, want.Subject, want.Body = "Ann <ann@example.org>", "first subject", "why it is so\n\nBayplan-Allow-Removal: 3"
	if diff := cmp.Diff(want, tip.Revision); diff != "" {
		t.Error(diff)
	}
	if got := tip.Revision.Trailer("Bayplan-Allow-Removal"); got != "3" {
		t.Errorf("trailer %q", got)
	}
	second := r.push("hello/web.cue", "two", "second")
	if got := content(t, w.tip(second).Files, "hello/web.cue"); got != "two" {
		t.Errorf("content %q", got)
	}
	if got := content(t, tip.Files, "hello/web.cue"); got != "one" {
		t.Errorf("the former tip now reads %q", got)
	}
	w.quiet()
}

func TestWatch_FileURL(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	cfg := r.config()
	cfg.URL = "file://" + r.bare
	watch(t, cfg).tip(first)
}

func TestWatch_WorkTreeRepository(t *testing.T) {
	r := newRepo(t)
	r.git("checkout", "-q", "-b", "main")
	first := r.commit("a.cue", "one", "first")
	cfg := r.config()
	cfg.URL = r.work
	w := watch(t, cfg)
	w.tip(first)
	w.tip(r.commit("a.cue", "two", "second"))
}

func TestWatch_LinkedWorkTree(t *testing.T) {
	r := newRepo(t)
	r.git("checkout", "-q", "-b", "main")
	first := r.commit("a.cue", "one", "first")
	linked := filepath.Join(t.TempDir(), "linked")
	r.git("worktree", "add", "-q", "-b", "side", linked)
	cfg := r.config()
	cfg.URL = linked
	w := watch(t, cfg)
	w.tip(first)
	w.tip(r.commit("a.cue", "two", "second"))
}

func TestWatch_NestedBranch(t *testing.T) {
	r := newRepo(t)
	r.push("a.cue", "one", "first")
	cfg := r.config()
	cfg.Branch = "env/prod/eu"
	w := watch(t, cfg)
	w.trouble(CodeBranchMissing)
	first := r.git("rev-parse", "HEAD")
	r.git("push", "-q", "origin", "HEAD:refs/heads/env/prod/eu")
	w.tip(first)
	second := r.commit("a.cue", "two", "second")
	r.git("push", "-q", "origin", "HEAD:refs/heads/env/prod/eu")
	w.tip(second)
}

func TestWatch_PackedRefsAndGC(t *testing.T) {
	r := newRepo(t)
	w := watch(t, r.config())
	w.trouble(CodeBranchMissing)
	w.tip(r.push("a.cue", "one", "first"))
	r.run(r.bare, "pack-refs", "--all", "--prune")
	w.tip(r.push("a.cue", "two", "second"))
	r.run(r.bare, "gc", "-q", "--prune=now")
	w.tip(r.push("a.cue", "three", "third"))
	r.run(r.bare, "pack-refs", "--all", "--prune")
	r.run(r.bare, "repack", "-q", "-a", "-d")
	w.tip(r.push("b.cue", "four", "fourth"))
	w.quiet()
}

func TestWatch_ForcePush(t *testing.T) {
	ctx := context.Background()
	r := newRepo(t)
	base := r.push("a.cue", "base", "base")
	old := r.push("a.cue", "one", "first")
	w := watch(t, r.config())
	w.tip(old)
	r.git("reset", "-q", "--hard", base)
	rewritten := r.commit("a.cue", "two", "rewritten")
	r.git("push", "-q", "--force", "origin", "HEAD:main")
	w.tip(rewritten)

	descends := func(from, to string, want bool) {
		t.Helper()
		got, err := w.s.Descends(ctx, from, to)
		if err != nil || got != want {
			t.Errorf("Descends(%.7s, %.7s) = %v, %v, want %v", from, to, got, err, want)
		}
	}
	descends(old, rewritten, false)
	descends(base, rewritten, true)
	descends(base, old, true)
	descends(old, old, true)
	descends(rewritten, base, false)
	descends(strings.Repeat("ab", 20), rewritten, false)
	descends("", rewritten, false)
	if _, err := w.s.Descends(ctx, old, strings.Repeat("ab", 20)); !errors.Is(err, ErrUnknownCommit) {
		t.Errorf("Descends to an unknown commit: %v", err)
	}

	r.git("push", "-q", "--force", "origin", old+":main")
	if got := content(t, w.tip(old).Files, "a.cue"); got != "one" {
		t.Errorf("content %q", got)
	}
}

func TestWatch_DeletedBranchReturns(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	w := watch(t, r.config())
	w.tip(first)
	r.git("push", "-q", "origin", ":main")
	w.trouble(CodeBranchMissing)
	r.git("push", "-q", "origin", first+":refs/heads/main")
	w.cleared()
	r.git("push", "-q", "origin", ":main")
	w.trouble(CodeBranchMissing)
	w.tip(r.push("a.cue", "two", "second"))
}

func TestWatch_EmptiedTree(t *testing.T) {
	r := newRepo(t)
	first := r.push("hello/a.cue", "one", "first")
	w := watch(t, r.config())
	tip := w.tip(first)
	r.git("rm", "-q", "-r", ".")
	r.git("commit", "-q", "-m", "oops")
	r.git("push", "-q", "origin", "HEAD:main")
	if about := w.trouble(CodeEmpty).About; about.Subject != "oops" || len(about.Commit) != 40 {
		t.Errorf("the trouble is about %+v", about)
	}
	if got := content(t, tip.Files, "hello/a.cue"); got != "one" {
		t.Errorf("content %q", got)
	}
	w.tip(r.push("hello/a.cue", "two", "again"))
}

func TestWatch_OnlyLinksIsEmpty(t *testing.T) {
	r := newRepo(t)
	w := watch(t, r.config())
	w.trouble(CodeBranchMissing)
	if err := os.Symlink("/etc/passwd", filepath.Join(r.work, "a.cue")); err != nil {
		t.Fatal(err)
	}
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "a link")
	r.git("push", "-q", "origin", "HEAD:main")
	w.trouble(CodeEmpty)
}

func TestWatch_RootFolder(t *testing.T) {
	r := newRepo(t)
	first := r.push("deploy/eu/hello/a.cue", "one", "first")
	r.write("other/b.cue", "elsewhere")
	cfg := r.config()
	cfg.Root = "/deploy/eu/"
	if _, err := Open(cfg); err == nil {
		t.Fatal("an absolute root folder was accepted")
	}
	cfg.Root = "deploy/eu/"
	w := watch(t, cfg)
	tip := w.tip(first)
	if got := content(t, tip.Files, "hello/a.cue"); got != "one" {
		t.Errorf("content %q", got)
	}
	if _, err := fs.Stat(tip.Files, "other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("outside of the root: %v", err)
	}
	r.git("mv", "deploy", "moved")
	r.git("commit", "-q", "-m", "moved")
	r.git("push", "-q", "origin", "HEAD:main")
	w.trouble(CodeRootMissing)
	r.git("mv", "moved", "deploy")
	r.git("commit", "-q", "-m", "moved back")
	r.git("push", "-q", "origin", "HEAD:main")
	w.tip(r.git("rev-parse", "HEAD"))
}

func TestWatch_RepositoryDeletedAndMadeAgain(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	w := watch(t, r.config())
	tip := w.tip(first)
	if err := os.Rename(r.bare, r.bare+".away"); err != nil {
		t.Fatal(err)
	}
	w.trouble(CodeRepositoryMissing)
	if got := content(t, tip.Files, "a.cue"); got != "one" {
		t.Errorf("content %q", got)
	}
	if err := os.Rename(r.bare+".away", r.bare); err != nil {
		t.Fatal(err)
	}
	w.cleared()
	w.tip(r.push("a.cue", "two", "second"))
}

func TestWatch_RepositoryComesLater(t *testing.T) {
	r := newRepo(t)
	cfg := r.config()
	cfg.URL = filepath.Join(t.TempDir(), "not", "yet", "repo.git")
	w := watch(t, cfg)
	w.trouble(CodeRepositoryMissing)
	r.run(r.work, "init", "-q", "--bare", "-b", "main", cfg.URL)
	h := r.commit("a.cue", "one", "first")
	r.git("push", "-q", cfg.URL, "HEAD:main")
	for {
		if u := w.next(); u.Tip != nil {
			if u.Tip.Revision.Commit != h {
				t.Fatalf("update %s", show(u))
			}
			return
		}
	}
}

func TestWatch_UnsupportedFormat(t *testing.T) {
	r := newRepo(t)
	cfg := r.config()
	cfg.URL = filepath.Join(t.TempDir(), "sha256.git")
	r.run(r.work, "init", "-q", "--bare", "--object-format=sha256", cfg.URL)
	watch(t, cfg).trouble(CodeUnsupported)
}

// Whatever happens to the repository in whatever order, the last state is told
// without a poll.
func TestWatch_EndsAtTheTruth(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	r := newRepo(t)
	first := r.push("a.cue", "start", "start")
	cfg := r.config()
	cfg.Branch = "env/prod"
	w := watch(t, cfg)
	branch := "refs/heads/env/prod"
	steps := []func(i int){
		func(i int) {
			r.commit("a.cue", fmt.Sprint(i), "next")
			r.git("push", "-q", "-f", "origin", "HEAD:"+branch)
		},
		func(i int) {
			r.commit("a.cue", fmt.Sprint(i), "next")
			r.git("push", "-q", "-f", "origin", "HEAD:"+branch)
		},
		func(int) { r.git("push", "-q", "-f", "origin", first+":"+branch) },
		func(int) { _, _ = r.try(r.work, "push", "-q", "origin", ":"+branch) },
		func(int) { r.run(r.bare, "pack-refs", "--all", "--prune") },
		func(int) { r.run(r.bare, "gc", "-q", "--prune=now") },
	}
	for i := range 40 {
		steps[random.IntN(len(steps))](i)
	}
	last := r.commit("a.cue", "end", "end")
	r.git("push", "-q", "-f", "origin", "HEAD:"+branch)
	for {
		u := w.next()
		if u.Trouble != nil && u.Trouble.Code != CodeBranchMissing {
			t.Fatalf("update %s", show(u))
		}
		if u.Tip != nil && u.Tip.Revision.Commit == last {
			break
		}
	}
	w.quiet()
}
