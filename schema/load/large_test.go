package load

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// strict is a tree that does not open files of more than limit bytes.
type strict struct {
	fstest.MapFS
	limit int64
}

// tooLarge is its refusal.
type tooLarge int64

func (e tooLarge) Error() string   { return "larger than it may be" }
func (e tooLarge) TooLarge() int64 { return int64(e) }

func (s strict) Open(name string) (fs.File, error) {
	if f := s.MapFS[name]; f != nil && int64(len(f.Data)) > s.limit {
		return nil, &fs.PathError{Op: "read", Path: name, Err: tooLarge(s.limit)}
	}
	return s.MapFS.Open(name)
}

const service = "workloads: web: {kind: \"service\", image: \"r/web:1\"}\n"

// I13, I27: a file that is too large keeps its own team from the commit and no
// other, whether the loader's limit or the tree's own refuses it.
func TestLoad_OneLargeFile(t *testing.T) {
	for _, name := range []string{"b/data.json", "b/b.yaml", "b/b.cue"} {
		files := fstest.MapFS{
			"a/a.cue": {Data: []byte("package a\n" + service)},
			"b/w.cue": {Data: []byte("package b\n" + service)},
			name:      {Data: []byte(strings.Repeat(" ", 301))},
		}
		for limit, fsys := range map[string]fs.FS{"loader": files, "tree": strict{files, 300}} {
			spec, err := Load(fsys, testRevision, WithLimits(Limits{FileBytes: 300}))
			want := []*Error{{Team: "b", File: name, Message: "the file has more than 300 bytes, which is the limit", Next: nextSplit}}
			if d := cmp.Diff(want, Errors(err)); d != "" {
				t.Errorf("%s, the %s's limit: %s", name, limit, d)
			}
			if len(spec.Workloads) != 1 || spec.Workload("a/web") == nil || len(spec.Teams) != 2 || spec.Teams[0].Commit == "" || spec.Teams[1].Commit != "" {
				t.Errorf("%s, the %s's limit: got %+v", name, limit, spec)
			}
		}
	}
}

// A package that is not whole is imported by nobody: what is missing might be
// what bounds the rest.
func TestLoad_ImportOfALargeFile(t *testing.T) {
	files := fstest.MapFS{
		"cue.mod/module.cue": {Data: []byte("module: \"x.example/m\"")},
		"shared/large.cue":   {Data: []byte("package shared\n//" + strings.Repeat("x", 300))},
		"shared/s.cue":       {Data: []byte("package shared\nimage: \"x:1\"")},
		"user/u.cue":         {Data: []byte("package user\nimport \"x.example/m/shared\"\nworkloads: a: {kind: \"service\", image: shared.image}")},
		"other/o.cue":        {Data: []byte("package other\n" + service)},
	}
	spec, err := Load(strict{files, 300}, testRevision)
	if len(spec.Workloads) != 1 || spec.Workload("other/web") == nil {
		t.Errorf("got %+v", spec.Workloads)
	}
	const want = `user/u.cue:2:8: package "x.example/m/shared" cannot be imported: shared/large.cue: the file has more than 300 bytes`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
