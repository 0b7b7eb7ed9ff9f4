package load

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noting is an Evaluator that notes what it is asked for.
func noting(dirs *[]string) Option {
	var mu sync.Mutex
	return WithEvaluator(func(ctx context.Context, p Package, read func(string) Folder) ([]byte, error) {
		mu.Lock()
		*dirs = append(*dirs, strings.ReplaceAll(p.slot(), "\x00", " "))
		mu.Unlock()
		return here(ctx, p, read)
	})
}

func openCache(t *testing.T, dir string) *Cache {
	t.Helper()
	c, err := OpenCache(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// kin is a tree where user depends on lib, and b has an error.
func kin() fstest.MapFS {
	return fstest.MapFS{
		"cue.mod/module.cue": {Data: []byte(`module: "x.example/m"`)},
		"a/a.cue":            {Data: []byte(service)},
		"b/b.cue":            {Data: []byte("workloads: b: {kind: \"service\", image: 3}")},
		"lib/l.cue":          {Data: []byte("package lib\nimage: \"y:1\"")},
		"user/u.cue":         {Data: []byte("package user\nimport \"x.example/m/lib\"\nworkloads: u: {kind: \"service\", image: lib.image}")},
	}
}

// A process that starts again evaluates what changed meanwhile and what imports it,
// and comes to the same as one that knows nothing.
func TestStore_SurvivesARestart(t *testing.T) {
	dir, files := t.TempDir(), kin()
	for _, step := range []struct {
		change func()
		want   []string
	}{
		{func() {}, []string{"a", "b", "lib", "user"}},
		{func() {}, nil},
		{func() { files["a/a.cue"] = &fstest.MapFile{Data: []byte(service + "// changed\n")} }, []string{"a"}},
		{func() { files["lib/l.cue"] = &fstest.MapFile{Data: []byte("package lib\nimage: \"y:2\"")} }, []string{"lib", "user"}},
		{func() { files["cluster.cue"] = &fstest.MapFile{Data: []byte("cluster: policy: stop: grace: \"5s\"")} }, []string{".", "a bare", "a judge", "b", "b bare", "lib bare", "user bare", "user judge"}},
		{func() { files["cluster.cue"] = &fstest.MapFile{Data: []byte("cluster: policy: stop: grace: \"6s\"")} }, []string{".", "a judge", "b", "user judge"}},
		{func() { files["a/a.cue"] = &fstest.MapFile{Data: []byte(service + "// again\n")} }, []string{"a bare", "a judge"}},
		{func() { delete(files, "b/b.cue") }, nil},
	} {
		step.change()
		var asked []string
		plain, plainErr := Load(files, testRevision)
		spec, err := Load(files, testRevision, WithCache(openCache(t, dir)), noting(&asked))
		slices.Sort(asked)
		if diff := cmp.Diff(step.want, asked); diff != "" {
			t.Errorf("evaluated: %s", diff)
		}
		if diff := cmp.Diff(plain, spec); diff != "" || (plainErr == nil) != (err == nil) || err != nil && err.Error() != plainErr.Error() {
			t.Errorf("from the disk: %s\n%v, want %v", diff, err, plainErr)
		}
	}
}

// An entry that is damaged, forged or another package's is none.
func TestStore_DamagedEntries(t *testing.T) {
	files := kin()
	for name, damage := range map[string]func(t *testing.T, s store, file string){
		"cut short": func(t *testing.T, _ store, file string) {
			change(t, file, func(b []byte) []byte { return b[:len(b)/2] })
		},
		"empty": func(t *testing.T, _ store, file string) { change(t, file, func([]byte) []byte { return nil }) },
		"one bit": func(t *testing.T, _ store, file string) {
			change(t, file, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		},
		"another's": func(t *testing.T, s store, file string) {
			change(t, file, func([]byte) []byte { return contentOf(t, s.file("lib")) })
		},
		"a folder": func(t *testing.T, _ store, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			dir := t.TempDir()
			want, _ := Load(files, testRevision, WithCache(openCache(t, dir)))
			damage(t, store(dir), store(dir).file("a"))
			var asked []string
			got, _ := Load(files, testRevision, WithCache(openCache(t, dir)), noting(&asked))
			if diff := cmp.Diff(want, got); diff != "" || !slices.Equal(asked, []string{"a"}) {
				t.Errorf("evaluated %v: %s", asked, diff)
			}
		})
	}
}

func change(t *testing.T, file string, f func([]byte) []byte) {
	t.Helper()
	if err := os.WriteFile(file, f(contentOf(t, file)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contentOf(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// I35: what no tree has any more goes after a week, what a crash left after an
// hour, and present ones stay.
func TestStore_Prune(t *testing.T) {
	s := store(t.TempDir())
	now := time.Now()
	put := func(name string, age time.Duration) {
		t.Helper()
		file := filepath.Join(string(s), name)
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	present, gone := filepath.Base(s.file("a")), filepath.Base(s.file("b"))
	put(present, 30*24*time.Hour)
	put(gone, 8*24*time.Hour)
	put(filepath.Base(s.file("c")), 6*24*time.Hour)
	put("new-1", 2*time.Hour)
	put("new-2", time.Minute)
	if err := s.prune([]string{"a"}, now); err != nil {
		t.Fatal(err)
	}
	left, err := s.list()
	if err != nil || len(left) != 3 {
		t.Fatalf("left %v, %v", left, err)
	}
	for _, f := range left {
		if f.Name() == gone || f.Name() == "new-1" {
			t.Errorf("%s is left", f.Name())
		}
	}
}
