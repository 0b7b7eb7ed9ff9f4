package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

func TestFiles_IsAFileSystem(t *testing.T) {
	r := newRepo(t)
	// In git's order "a.b" < "a/" < "a0"; an fs.FS wants "a" < "a.b" < "a0".
	for _, name := range []string{"a/x/y.cue", "a.b/z.cue", "a0/q.yaml", "top.cue", "ünï/ö.cue"} {
		r.write(name, "text of "+name)
	}
	for name, target := range map[string]string{"link.cue": "/etc/passwd", "a/up": "../..", "a/x/dir": "."} {
		if err := os.Symlink(target, filepath.Join(r.work, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(r.work, "run.sh"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	zero := r.push("zero.cue", "0", "zero")
	r.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", r.bare, "sub")
	w := watch(t, r.config())
	w.tip(zero)
	files := w.tip(r.push("b.cue", "b", "first")).Files
	if err := fstest.TestFS(files, "a/x/y.cue", "a.b/z.cue", "a0/q.yaml", "top.cue", "run.sh", "ünï/ö.cue"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"link.cue", "a/up", "a/x/dir", "a/x/dir/y.cue", "sub", "top.cue/x", "nothing"} {
		if _, err := fs.Stat(files, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat %s: %v", name, err)
		}
	}
	info, err := fs.Stat(files, "run.sh")
	if err != nil || info.Mode() != 0o555 {
		t.Errorf("run.sh: %v, %v", info, err)
	}
	if id := info.(interface{ ObjectID() string }).ObjectID(); id != r.git("rev-parse", "HEAD:run.sh") {
		t.Errorf("ObjectID %s", id)
	}
	sub, err := fs.Sub(files, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sub, "x/y.cue"); err != nil {
		t.Error(err)
	}
}

func TestFiles_LargeAndDeep(t *testing.T) {
	r := newRepo(t)
	r.write("large.bin", string(bytes.Repeat([]byte("x"), 2000)))
	deep := strings.Repeat("d/", maxDepth-1)
	r.write(deep+"x.cue", "deep")
	cfg := r.config()
	cfg.MaxFile = 1000
	w := watch(t, cfg)
	w.trouble(CodeBranchMissing)
	files := w.tip(r.push("small.cue", "small", "first")).Files
	var large interface{ TooLarge() int64 }
	if _, err := files.Open("large.bin"); !errors.As(err, &large) || large.TooLarge() != 1000 {
		t.Errorf("a large file: %v", err)
	}
	if info, err := fs.Stat(files, "large.bin"); err != nil || info.Size() != 2000 {
		t.Errorf("stat of a large file: %v, %v", info, err)
	}
	if got := content(t, files, deep+"x.cue"); got != "deep" {
		t.Errorf("content %q", got)
	}
	if _, err := fs.ReadFile(files, "d/"+deep+"x.cue"); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("a path too deep: %v", err)
	}
	if got := content(t, files, "small.cue"); got != "small" {
		t.Errorf("content %q", got)
	}
}

func TestFiles_Concurrently(t *testing.T) {
	r := newRepo(t)
	for i := range 150 {
		r.write(fmt.Sprintf("team%d/web.cue", i), fmt.Sprint(i))
	}
	w := watch(t, r.config())
	w.trouble(CodeBranchMissing)
	files := w.tip(r.push("a.cue", "one", "first")).Files
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 150 {
				if got, err := fs.ReadFile(files, fmt.Sprintf("team%d/web.cue", i)); string(got) != fmt.Sprint(i) || err != nil {
					t.Errorf("team%d: %q, %v", i, got, err)
				}
			}
		})
	}
	for i := range 5 { // and the mirror is written to meanwhile
		w.tip(r.push("a.cue", fmt.Sprint(i), "more"))
	}
	group.Wait()
}

func TestAt_AnyCommit(t *testing.T) {
	ctx := context.Background()
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	second := r.push("a.cue", "two", "second")
	w := watch(t, r.config())
	w.tip(second)
	for _, text := range []string{first, first[:8], first[:7]} {
		tip, err := w.s.At(ctx, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := content(t, tip.Files, "a.cue"); got != "one" || tip.Revision.Commit != first {
			t.Errorf("At %s: %q of %s", text, got, tip.Revision.Commit)
		}
	}
	for _, text := range []string{"", "abc", "HEAD", "0123456789", r.git("rev-parse", "HEAD:a.cue")} {
		if _, err := w.s.At(ctx, text); !errors.Is(err, ErrUnknownCommit) {
			t.Errorf("At %q: %v", text, err)
		}
	}
	w.quiet()
}
