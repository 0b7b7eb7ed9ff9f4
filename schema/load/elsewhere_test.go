package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// here is an Evaluator that goes nowhere.
func here(_ context.Context, p Package, read func(string) Folder) ([]byte, error) {
	return Evaluate(p, read), nil
}

// I14: what comes back from another process is what this one would have come to,
// errors and their places included.
func TestEvaluator_SameAsHere(t *testing.T) {
	trees := map[string]fstest.MapFS{"fleet": fleet(40)}
	for _, name := range goldens(t) {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		trees[name], _ = split(archive)
	}
	for name, files := range trees {
		want, wantErr := Load(files, testRevision)
		got, err := Load(files, testRevision, WithEvaluator(here))
		if diff := cmp.Diff(want, got); diff != "" || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: %s\n%v\nwant %v", name, diff, err, wantErr)
		}
	}
}

// An answer that was forged is an error of its team, and nobody else's affair.
func TestEvaluator_ForgedAnswer(t *testing.T) {
	files := fstest.MapFS{"cluster.cue": {Data: []byte("cluster: {}")}, "a/a.cue": cheap(), "b/b.cue": cheap()}
	for name, forge := range map[string]func(*result){
		"another team's": func(r *result) { r.Workloads[0].Name = "b/other" },
		"a path":         func(r *result) { r.Workloads[0].Name = "a/../b/x" },
		"twice": func(r *result) {
			r.Workloads, r.Belongs = append(r.Workloads, r.Workloads[0]), append(r.Belongs, r.Belongs[0])
		},
		"no image":        func(r *result) { r.Workloads[0].Image = "" },
		"a kind":          func(r *result) { r.Workloads[0].Kind = "demon" },
		"many":            func(r *result) { r.Workloads[0].Replicas = 1 << 40 },
		"a pool":          func(r *result) { r.Belongs[0].Pool = "other" },
		"no places":       func(r *result) { r.Belongs = nil },
		"a cluster":       func(r *result) { r.Policy = true },
		"broken":          func(r *result) { r.Workloads, r.Belongs, r.Broken = nil, nil, true },
		"waits":           func(r *result) { r.Waits = []waiting{{Workload: "b/web"}} },
		"a place outside": func(r *result) { *r = result{Team: true, Errors: []*Error{{Team: "a", File: "../x", Message: "m"}}} },
		"blames another":  func(r *result) { *r = result{Team: true, Errors: []*Error{{Team: "b", File: "b/b.cue", Message: "m"}}} },
		"no error":        func(r *result) { *r = result{Team: true, Errors: []*Error{nil}} },
	} {
		spec, err := Load(files, testRevision, WithEvaluator(func(_ context.Context, p Package, read func(string) Folder) ([]byte, error) {
			r := evaluate(p, read)
			if p.Dir == "a" {
				forge(&r)
			}
			return json.Marshal(r)
		}))
		if spec.Workload("b/web") == nil || len(spec.Workloads) != 1 {
			t.Errorf("%s: got %+v", name, spec.Workloads)
		}
		if err == nil || !strings.Contains(err.Error(), "a: evaluating the folder came to nothing that can be used") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// I13: a package over a limit keeps its own team from the commit. It is not tried
// again with the next tree, unless a quieter machine might do it.
func TestEvaluator_Exceeded(t *testing.T) {
	files := fstest.MapFS{"a/a.cue": cheap(), "b/b.cue": cheap()}
	for _, passing := range []bool{false, true} {
		tries, cache := 0, &Cache{}
		by := WithEvaluator(func(ctx context.Context, p Package, read func(string) Folder) ([]byte, error) {
			if p.Dir == "a" {
				tries++
				read("a")
				return nil, fmt.Errorf("worker: %w", &Exceeded{Limit: "more than 10s of processor time", Passing: passing})
			}
			return Evaluate(p, read), nil
		})
		for range 2 {
			spec, err := Load(files, testRevision, by, WithCache(cache))
			if len(spec.Workloads) != 1 || err == nil || !strings.Contains(err.Error(), "a: evaluating the folder was stopped: it took more than 10s of processor time") {
				t.Errorf("got %+v, %v", spec.Workloads, err)
			}
		}
		if want := map[bool]int{false: 1, true: 2}[passing]; tries != want {
			t.Errorf("passing %t: tried %d times, want %d", passing, tries, want)
		}
	}
}

// I7: where packages cannot be evaluated at all the tree says nothing.
func TestEvaluator_Fails(t *testing.T) {
	cause := errors.New("no process")
	spec, err := Load(fstest.MapFS{"a/a.cue": cheap()}, testRevision, WithEvaluator(func(context.Context, Package, func(string) Folder) ([]byte, error) {
		return nil, cause
	}))
	if !errors.Is(err, cause) || Errors(err) != nil || len(spec.Teams) > 0 {
		t.Errorf("got %+v, %v", spec, err)
	}
}

// hashed is a tree whose files have object IDs, as those of Git have, and that
// counts what is read and listed.
type hashed struct {
	fstest.MapFS
	ids          map[string]string
	read, listed *[]string
}

func (h hashed) Open(name string) (fs.File, error) {
	*h.read = append(*h.read, name)
	return h.MapFS.Open(name)
}

func (h hashed) ReadDir(name string) ([]fs.DirEntry, error) {
	*h.listed = append(*h.listed, name)
	entries, err := fs.ReadDir(h.MapFS, name)
	for i, e := range entries {
		info, _ := e.Info()
		entries[i] = fs.FileInfoToDirEntry(identified{info, h.ids[path.Join(name, e.Name())]})
	}
	return entries, err
}

func (h hashed) Stat(name string) (fs.FileInfo, error) {
	info, err := h.MapFS.Stat(name)
	return identified{info, h.ids[name]}, err
}

type identified struct {
	fs.FileInfo
	id string
}

func (i identified) ObjectID() string { return i.id }

// Of a tree that knows its hashes only what changed is listed and read.
func TestLoad_UnchangedFoldersAreNotRead(t *testing.T) {
	h := hashed{fstest.MapFS{"teams/a/a.cue": cheap(), "teams/b/b.cue": cheap(), "lib/l.cue": cheap()},
		map[string]string{".": "1", "teams": "t1", "teams/a": "a1", "teams/a/a.cue": "aa", "teams/b": "b1", "teams/b/b.cue": "bb", "lib": "l1", "lib/l.cue": "ll"}, new([]string), new([]string)}
	cache := &Cache{}
	first, err := Load(h, testRevision, WithCache(cache))
	if err != nil || len(first.Workloads) != 3 {
		t.Fatal(err)
	}
	*h.read, *h.listed = nil, nil
	h.MapFS["teams/b/b.cue"] = &fstest.MapFile{Data: []byte(strings.Replace(service, "web:1", "web:2", 1))}
	maps.Copy(h.ids, map[string]string{".": "2", "teams": "t2", "teams/b": "b2", "teams/b/b.cue": "bbb"})
	second, err := Load(h, testRevision, WithCache(cache))
	if err != nil || second.Workload("teams/b/web").Image != "r/web:2" {
		t.Errorf("got %+v, %v", second.Workloads, err)
	}
	if got := strings.Join(*h.read, " ") + "; " + strings.Join(*h.listed, " "); got != "teams/b/b.cue; . teams teams/b" {
		t.Errorf("read and listed: %s", got)
	}
}

func goldens(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	return names
}
