package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// generations are the mirrors in dir.
func generations(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "mirror-*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i] = filepath.Base(list[i])
	}
	return list
}

// spoil overwrites an object in the newest mirror.
func (w *watcher) spoil(hash string) {
	w.t.Helper()
	file := filepath.Join(w.s.current.Load().dir, "objects", hash[:2], hash[2:])
	if err := errors.Join(os.Chmod(file, 0o644), os.WriteFile(file, []byte("garbage"), 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

func TestMirror_DamagedIsBuiltAnew(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	cfg := r.config()
	w := watch(t, cfg)
	tip := w.tip(first)
	w.spoil(r.git("rev-parse", "HEAD:a.cue"))
	if _, err := fs.ReadFile(tip.Files, "a.cue"); !errors.Is(err, errDamaged) {
		t.Fatalf("reading a damaged file: %v", err)
	}
	if got := content(t, w.tip(first).Files, "a.cue"); got != "one" {
		t.Errorf("content %q", got)
	}
	if got := strings.Join(generations(t, cfg.Dir), " "); got != "mirror-000001.git mirror-000002.git" {
		t.Errorf("generations %s", got)
	}
	second := r.push("a.cue", "two", "second")
	w.tip(second)
	w.stop()
	w = watch(t, cfg)
	w.tip(second)
	if got := strings.Join(generations(t, cfg.Dir), " "); got != "mirror-000002.git" {
		t.Errorf("generations after a restart %s", got)
	}
}

func TestMirror_DamagedTwiceIsTold(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	w := watch(t, r.config())
	tip := w.tip(first)
	blob := r.git("rev-parse", "HEAD:a.cue")
	w.spoil(blob)
	_, _ = fs.ReadFile(tip.Files, "a.cue")
	tip = w.tip(first)
	w.spoil(blob)
	_, _ = fs.ReadFile(tip.Files, "a.cue")
	w.trouble(CodeMirror)
}

func TestMirror_LostObjectsAtStart(t *testing.T) {
	for _, what := range []string{"HEAD:hello/a.cue", "HEAD:hello", "HEAD^{tree}", "HEAD"} {
		t.Run(what, func(t *testing.T) {
			r := newRepo(t)
			first := r.push("hello/a.cue", "one", "first")
			cfg := r.config()
			w := watch(t, cfg)
			w.tip(first)
			w.stop()
			hash := r.git("rev-parse", what)
			if err := os.Remove(filepath.Join(generation(cfg.Dir, 1), "objects", hash[:2], hash[2:])); err != nil {
				t.Fatal(err)
			}
			w = watch(t, cfg)
			if got := content(t, w.tip(first).Files, "hello/a.cue"); got != "one" {
				t.Errorf("content %q", got)
			}
		})
	}
}

func TestMirror_GarbageInDirAtStart(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	cfg := r.config()
	broken := generation(cfg.Dir, 7)
	err := errors.Join(os.MkdirAll(filepath.Join(broken, "objects", "pack"), 0o700), os.MkdirAll(generation(cfg.Dir, 8)+".tmp", 0o700),
		os.WriteFile(filepath.Join(broken, "HEAD"), []byte("x"), 0o600), os.WriteFile(filepath.Join(cfg.Dir, "state.json"), []byte("{"), 0o600),
		os.WriteFile(filepath.Join(broken, "objects", "pack", "pack-"+strings.Repeat("ab", 20)+".pack"), []byte("x"), 0o600),
		os.WriteFile(filepath.Join(broken, "objects", "pack", "pack-"+strings.Repeat("ab", 20)+".idx"), []byte("x"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, cfg)
	if got := content(t, w.tip(first).Files, "a.cue"); got != "one" {
		t.Errorf("content %q", got)
	}
}

func TestMirror_WornIsBuiltAnew(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	cfg := r.config()
	w := watch(t, cfg)
	old := w.tip(first)
	w.s.writing.Lock()
	w.s.current.Load().packs = morePacks + 1
	w.s.writing.Unlock()
	w.s.tidy(t.Context())
	if got := w.s.current.Load(); got.number != 2 || got.worn() {
		t.Errorf("generation %d, worn %v", got.number, got.worn())
	}
	if got := content(t, old.Files, "a.cue"); got != "one" {
		t.Errorf("content %q", got)
	}
	second := r.push("a.cue", "two", "second")
	w.tip(second)
	if ok, err := w.s.Descends(t.Context(), first, second); !ok || err != nil {
		t.Errorf("Descends: %v, %v", ok, err)
	}
}

func TestMirror_RebuiltWhileTheBranchIsBad(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	cfg := r.config()
	w := watch(t, cfg)
	w.tip(first)
	r.git("checkout", "-q", "--orphan", "empty")
	r.git("rm", "-q", "-rf", ".")
	r.git("commit", "-q", "--allow-empty", "-m", "nothing")
	r.git("push", "-q", "--force", "origin", "HEAD:main")
	w.trouble(CodeEmpty)
	w.s.writing.Lock()
	w.s.current.Load().packs = morePacks + 1
	w.s.writing.Unlock()
	w.s.tidy(t.Context())
	w.stop()
	w = watch(t, cfg) // the commit in force is still there
	if u := w.next(); u.Tip == nil || u.Tip.Revision.Commit != first || u.Trouble == nil || content(t, u.Tip.Files, "a.cue") != "one" {
		t.Errorf("update %s", show(u))
	}
}

func TestMirror_CannotBeWritten(t *testing.T) {
	r := newRepo(t)
	w := watch(t, r.config())
	w.trouble(CodeBranchMissing)
	objects := filepath.Join(w.s.current.Load().dir, "objects")
	if err := errors.Join(os.RemoveAll(objects), os.WriteFile(objects, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	first := r.push("a.cue", "one", "first")
	w.trouble(CodeMirror)
	if err := errors.Join(os.Remove(objects), os.MkdirAll(filepath.Join(objects, "pack"), 0o700)); err != nil {
		t.Fatal(err)
	}
	w.s.Poke()
	w.tip(first)
}

func TestMirror_MergedHistory(t *testing.T) {
	r := newRepo(t)
	r.push("a.cue", "one", "first")
	r.git("checkout", "-q", "-b", "side")
	side := r.commit("b.cue", "side", "on the side")
	r.git("checkout", "-q", "-")
	r.commit("c.cue", "main", "on main")
	r.git("merge", "-q", "--no-edit", "side")
	r.git("push", "-q", "origin", "HEAD:main")
	w := watch(t, r.config())
	head := r.git("rev-parse", "HEAD")
	w.tip(head)
	if ok, err := w.s.Descends(t.Context(), side, head); !ok || err != nil {
		t.Errorf("Descends: %v, %v", ok, err)
	}
}

func TestMirror_ShallowSource(t *testing.T) {
	r := newRepo(t)
	r.push("a.cue", "one", "first")
	second := r.push("a.cue", "two", "second")
	cfg := r.config()
	cfg.URL = filepath.Join(t.TempDir(), "shallow.git")
	r.run(r.work, "clone", "-q", "--bare", "--depth=1", "file://"+r.bare, cfg.URL)
	watch(t, cfg).tip(second)
}

// FuzzTree reads trees of any content as a file system.
func FuzzTree(f *testing.F) {
	dir := f.TempDir()
	m, err := createMirror(dir, 1)
	if err != nil {
		f.Fatal(err)
	}
	blob := string(plumbing.ComputeHash(plumbing.BlobObject, []byte("x")).String())
	f.Add([]byte("100644 a.cue\x00" + strings.Repeat("\x01", 20)))
	f.Add([]byte("40000 ..\x00" + strings.Repeat("\x01", 20) + "100755 a/b\x00" + strings.Repeat("\x02", 20)))
	f.Add([]byte("120000 link\x00" + blob[:20]))
	f.Add([]byte("100644 a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := m.put(plumbing.TreeObject, data); err != nil {
			t.Fatal(err)
		}
		files := newFiles(m, plumbing.ComputeHash(plumbing.TreeObject, data), time.Now(), 1<<20)
		_ = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if !fs.ValidPath(path) {
				t.Errorf("path %q", path)
			}
			return err
		})
	})
}

// BenchmarkPushToTip is from the branch moving on disk, as the last thing a push
// does, to the Tip with the changed file read.
func BenchmarkPushToTip(b *testing.B) {
	for _, size := range []int{10, 2000} {
		b.Run(fmt.Sprintf("files=%d", size), func(b *testing.B) {
			r := newRepo(b)
			for i := range size {
				r.write(fmt.Sprintf("team%d/%d.cue", i/20, i), fmt.Sprint("some text ", i))
			}
			first := r.push("team0/a.cue", "start", "first")
			cfg := r.config()
			cfg.Log = nil
			w := watch(b, cfg)
			w.tip(first)
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				next := r.commit("team0/a.cue", fmt.Sprint(i), "next")
				r.git("push", "-q", "origin", "HEAD:refs/heads/side")
				b.StartTimer()
				r.setRef("main", next)
				if _, err := fs.ReadFile(w.tip(next).Files, "team0/a.cue"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
