package source

import (
	"context"
	"errors"
	"io/fs"
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
	w.trouble(CodeEmpty)
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

// object is the loose file of an object in the bare repository.
func (r *repo) object(hash string) string {
	return filepath.Join(r.bare, "objects", hash[:2], hash[2:])
}

// garble overwrites a loose object and returns what undoes it.
func (r *repo) garble(hash string) (restore func()) {
	r.t.Helper()
	file := r.object(hash)
	data, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	put := func(b []byte) {
		if err := os.Chmod(file, 0o644); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	put([]byte("garbage"))
	return func() { put(data) }
}

// setRef moves a branch in one step, as git does, without git's checks.
func (r *repo) setRef(branch, text string) {
	r.t.Helper()
	ref := filepath.Join(r.bare, "refs/heads", branch)
	if err := errors.Join(os.WriteFile(ref+".lock", []byte(text+"\n"), 0o644), os.Rename(ref+".lock", ref)); err != nil {
		r.t.Fatal(err)
	}
}

func TestWatch_CorruptObject(t *testing.T) {
	for _, what := range []string{"HEAD:hello/web.cue", "HEAD:hello", "HEAD^{tree}", "HEAD"} {
		t.Run(what, func(t *testing.T) {
			r := newRepo(t)
			first := r.push("a.cue", "one", "first")
			w := watch(t, r.config())
			tip := w.tip(first)
			// The second commit comes while the branch does not point at it.
			second := r.commit("hello/web.cue", "two", "second")
			r.git("push", "-q", "origin", "HEAD:refs/heads/side")
			restore := r.garble(r.git("rev-parse", what))
			r.setRef("main", second)
			w.trouble(CodeCorrupt)
			if got := content(t, tip.Files, "a.cue"); got != "one" {
				t.Errorf("content %q", got)
			}
			restore()
			w.s.Poke()
			if got := content(t, w.tip(second).Files, "hello/web.cue"); got != "two" {
				t.Errorf("content %q", got)
			}
		})
	}
}

func TestWatch_SwappedObject(t *testing.T) {
	r := newRepo(t)
	w := watch(t, r.config())
	w.trouble(CodeBranchMissing)
	head := r.commit("a.cue", "good", "first")
	r.git("push", "-q", "origin", "HEAD:refs/heads/side")
	r.write("b.cue", "evil")
	evil := r.git("hash-object", "-w", "b.cue")
	data, err := os.ReadFile(filepath.Join(r.work, ".git/objects", evil[:2], evil[2:]))
	if err != nil {
		t.Fatal(err)
	}
	file := r.object(r.git("rev-parse", "HEAD:a.cue"))
	if err := errors.Join(os.Remove(file), os.WriteFile(file, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	r.setRef("main", head)
	w.trouble(CodeCorrupt)
}

func TestWatch_GarbageRef(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	w := watch(t, r.config())
	w.tip(first)
	r.setRef("main", "not a hash")
	w.trouble(CodeCorrupt)
	r.setRef("main", first)
	w.cleared()
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

func TestOpen_RestartWithRemoteGone(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	cfg := r.config()
	w := watch(t, cfg)
	w.tip(first)
	second := r.push("a.cue", "two", "second")
	w.tip(second)
	w.stop()
	if err := os.RemoveAll(r.bare); err != nil {
		t.Fatal(err)
	}
	w = watch(t, cfg)
	u := w.next()
	if u.Tip == nil || u.Trouble == nil || u.Trouble.Code != CodeRepositoryMissing || u.Tip.Revision.Commit != second {
		t.Fatalf("update %s", show(u))
	}
	if got := content(t, u.Tip.Files, "a.cue"); got != "two" {
		t.Errorf("content %q", got)
	}
	if ok, err := w.s.Descends(context.Background(), first, second); !ok || err != nil {
		t.Errorf("Descends: %v, %v", ok, err)
	}
	w.stop()

	cfg.Branch = "other"
	if u := watch(t, cfg).next(); u.Tip != nil {
		t.Errorf("another branch is given %s", show(u))
	}
}

func TestOpen_SecondProcess(t *testing.T) {
	r := newRepo(t)
	cfg := r.config()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second Open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_Rejects(t *testing.T) {
	dir := t.TempDir()
	for name, cfg := range map[string]Config{
		"no repository":         {Dir: dir},
		"no folder":             {URL: "/x", Dir: ""},
		"is no branch name":     {URL: "/x", Dir: dir, Branch: "a..b"},
		"must be a path below":  {URL: "/x", Dir: dir, Root: "../y"},
		"is not supported":      {URL: "ftp://host/x", Dir: dir},
		"holds a password":      {URL: "https://u:secret@host/x", Dir: dir},
		"needs the file of":     {URL: "git@host:x", Dir: dir},
		"certificates":          {URL: "https://host/x", Dir: dir, CAFile: "/nonexistent"},
		"the address is no URL": {URL: "https://u:secret@ho st/x", Dir: dir},
	} {
		_, err := Open(cfg)
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(name, "the address", "address")) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
