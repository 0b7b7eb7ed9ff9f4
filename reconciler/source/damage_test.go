package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

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

// moving is a remote where something happens before each of the next questions.
type moving struct {
	remote
	before []func()
}

func (m *moving) ask(ctx context.Context) (answer, error) {
	if len(m.before) > 0 {
		m.before[0]()
		m.before = m.before[1:]
	}
	return m.remote.ask(ctx)
}

// A branch that leaves a damaged commit while the mirror is built anew because of
// it is where it is by then.
func TestLook_BranchMovesWhileTheMirrorIsBuiltAnew(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	s, err := Open(r.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.look(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	s.remote = &moving{s.remote, []func(){
		func() { r.grow(r.raw("tree", item("40000", "shop", first)), "odd") },
		func() { r.pipe("", "update-ref", "refs/heads/main", first) },
	}}
	tip, err := s.look(t.Context(), time.Now())
	if err != nil || tip.Revision.Commit != first {
		t.Fatalf("%v, %v", tip.Revision, err)
	}
	if tip, err = s.look(t.Context(), time.Now()); err != nil || tip.Revision.Commit != first {
		t.Fatalf("%v, %v", tip.Revision, err)
	}
}
