package load

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-multierror"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/schema"
)

func compile(text string) cue.Value { return cuecontext.New().CompileString(text) }

func tree1(name, text string) fstest.MapFS {
	return fstest.MapFS{name: {Data: []byte(text)}}
}

// fleet is a repository of n workloads in teams of 20.
func fleet(n int) fstest.MapFS {
	files := fstest.MapFS{"cluster.cue": {Data: []byte("cluster: pools: {}")}}
	for i := range n {
		name := fmt.Sprintf("team-%d/w%d.cue", i/20, i)
		files[name] = &fstest.MapFile{Data: fmt.Appendf(nil, `package team

workloads: "w-%d": {
	kind: "service"
	image: "registry.example/x:%d"
	replicas: 3
	resources: {cpu: "50m", memory: "32Mi"}
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "1s"}
	update: {maxSurge: 1, maxUnavailable: 0, minHealthyTime: "2s"}
	env: {A: "1", B: "2", NAME: "w-%d"}
}
`, i, i, i)}
	}
	return files
}

func TestLoad_Fleet(t *testing.T) {
	spec, err := Load(fleet(100), testRevision)
	if err != nil {
		t.Fatal(err)
	}
	if len(spec.Workloads) != 100 || len(spec.Teams) != 5 {
		t.Fatalf("got %d workloads of %d teams", len(spec.Workloads), len(spec.Teams))
	}
	if !slices.IsSortedFunc(spec.Workloads, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the workloads are not sorted")
	}
	if spec.Workload("team-4/w-99") == nil || spec.Teams[0].Commit != testRevision.Commit {
		t.Error("the last workload or the commit is missing")
	}
}

// I14: what is loaded does not hang on the order in which packages finish.
func TestLoad_Deterministic(t *testing.T) {
	files := fleet(60)
	files["team-1/bad.cue"] = &fstest.MapFile{Data: []byte("package team\n\nworkloads: {a: {}, b: {}, c: kind: 1}\n")}
	first, firstErr := Load(files, testRevision)
	for range 3 {
		again, err := Load(files, testRevision)
		if !reflect.DeepEqual(first, again) || err.Error() != firstErr.Error() {
			t.Fatal("two loads of one tree differ")
		}
	}
}

func TestLoad_ConcurrentCallers(t *testing.T) {
	files := fleet(20)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if spec, err := Load(files, testRevision); err != nil || len(spec.Workloads) != 20 {
				t.Errorf("got %d workloads, %v", len(spec.Workloads), err)
			}
		})
	}
	wait.Wait()
}

// The error is a multierror of *Error, each with its team.
func TestLoad_ErrorType(t *testing.T) {
	_, err := Load(tree1("a/b/c.cue", "workloads: web: {kind: \"service\", image: \"x\", replicas: -1}"), testRevision)
	var all *multierror.Error
	if all, _ = err.(*multierror.Error); all == nil || len(all.Errors) != 1 {
		t.Fatalf("got %T %v", err, err)
	}
	want := &Error{Team: "a/b", File: "a/b/c.cue", Line: 1, Col: 47, Path: "workloads.web.replicas",
		Message: "want a whole number from 0 to 10000, got -1", Next: nextValidate}
	if diff := cmp.Diff(want, Errors(err)[0]); diff != "" {
		t.Error(diff)
	}
	if got, want := err.Error(), "a/b/c.cue:1:47: workloads.web.replicas: want a whole number from 0 to 10000, got -1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_Images(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for image, good := range map[string]bool{
		"alpine": true, "library/alpine:3.20": true, "127.0.0.1:40123/hello:bad": true, "localhost:5000/a/b_c/d-e.f": true,
		"Registry.example/shop/web:1.9.0-RC1": true, "r.example/x" + digest: true, "r.example/x:1" + digest: true,
		"": false, "Alpine": false, "a b": false, "x:": false, "x@sha256:12": false, "/x": false, "x//y": false, "https://r.example/x": false,
		"r.example/x:1:2": false, "r.example:99999999/x": false, "-x": false,
	} {
		_, err := Load(tree1("a/a.cue", fmt.Sprintf("workloads: a: {kind: \"service\", image: %q}", image)), testRevision)
		if (err == nil) != good {
			t.Errorf("%q: got %v", image, err)
		}
	}
}

func TestLoad_Limits(t *testing.T) {
	small := Limits{FileBytes: 300, PackageFiles: 2, PackageBytes: 400, Packages: 3, TreeBytes: 1000, Depth: 2, WorkloadBytes: 900, PackageWorkloads: 2}
	ok := `workloads: %q: {kind: "service", image: "x"}`
	long := strings.Repeat("x", 250)
	cases := map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"file":      {tree1("a/a.cue", strings.Repeat(" ", 301)), "a/a.cue: the file has more than 300 bytes"},
		"folder":    {fstest.MapFS{"a/1.cue": {Data: []byte("//" + long)}, "a/2.cue": {Data: []byte("//" + long)}}, "a: the files of the folder sum to more than 400 bytes"},
		"files":     {fstest.MapFS{"a/1.yaml": {}, "a/2.yaml": {}, "a/3.yaml": {}}, "a: the folder has more than 2 files"},
		"packages":  {fstest.MapFS{"a/1.yaml": {}, "b/2.yaml": {}, "c/3.yaml": {}, "d/4.yaml": {}}, "the tree has 4 packages, and 3 are the limit"},
		"tree":      {fstest.MapFS{"a/1.cue": {Data: []byte("//" + long)}, "b/1.cue": {Data: []byte("//" + long)}, "c/1.cue": {Data: []byte("//" + long)}, "d/1.cue": {Data: []byte("//" + long)}}, "sum to more than 1000 bytes"},
		"depth":     {tree1("a/b/c/d.cue", fmt.Sprintf(ok, "x")), "a/b/c: folders may lie 2 deep at most"},
		"workloads": {tree1("a/a.cue", `workloads: {for i in ["a", "b", "c"] {(i): {kind: "service", image: "x"}}}`), "a package may hold 2 workloads at most"},
		"output":    {tree1("a/a.cue", `import "strings", workloads: x: {kind: "service", image: "x", env: A: strings.Repeat("x", 1000)}`), "bytes as JSON, and 900 are the limit"},
	}
	for name, c := range cases {
		spec, err := Load(c.files, testRevision, WithLimits(small))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if len(spec.Workloads) > 0 {
			t.Errorf("%s: a package over the limit has workloads", name)
		}
	}
}

// I27: a package that makes the evaluator panic is an error of its own.
func TestEvaluate_Panic(t *testing.T) {
	broken := func(string) Folder { return Folder{Files: []File{{Name: "a/a.cue", Data: []byte("x: 1")}}} }
	got := guarded(Package{Dir: "a"}, broken, func(*evaluation) { panic("boom") })
	if len(got.Errors) != 1 || got.Errors[0].Team != "a" || !strings.Contains(got.Errors[0].Message, "broke off: boom") || !got.Team {
		t.Errorf("got %+v", got)
	}
}

func TestCache_OnlyWhatChanged(t *testing.T) {
	files := fleet(60)
	files["cue.mod/module.cue"] = &fstest.MapFile{Data: []byte(`module: "x.example/m"`)}
	files["shared/s.cue"] = &fstest.MapFile{Data: []byte("package shared\nimage: \"x:1\"")}
	files["user/u.cue"] = &fstest.MapFile{Data: []byte("package user\nimport \"x.example/m/shared\"\nworkloads: a: {kind: \"service\", image: shared.image}")}
	cache := &Cache{}
	load := func() schema.Spec {
		t.Helper()
		spec, err := Load(files, testRevision, WithCache(cache))
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := Load(files, testRevision)
		if diff := cmp.Diff(plain, spec); diff != "" {
			t.Fatalf("the cache answers differently:\n%s", diff)
		}
		return spec
	}
	load()
	before := cache.entries
	files["shared/s.cue"] = &fstest.MapFile{Data: []byte("package shared\nimage: \"x:2\"")}
	spec := load()
	if w := spec.Workload("user/a"); w.Image != "x:2" {
		t.Errorf("an import changed, and its user has image %s", w.Image)
	}
	var changed []string
	for dir, e := range cache.entries {
		if e.content != before[dir].content {
			changed = append(changed, dir)
		}
	}
	slices.Sort(changed)
	if diff := cmp.Diff([]string{"shared", "user"}, changed); diff != "" {
		t.Errorf("evaluated anew: %s", diff)
	}
}

// A policy reaches every team, cached or not; so does a package that appears
// where an import looked in vain.
func TestCache_PolicyAndMissingImport(t *testing.T) {
	files := fstest.MapFS{
		"cluster.cue":        {Data: []byte("cluster: {}")},
		"cue.mod/module.cue": {Data: []byte(`module: "x.example/m"`)},
		"a/a.cue":            {Data: []byte("package a\nimport \"x.example/m/late\"\nworkloads: a: {kind: \"service\", image: late.image}")},
		"b/b.cue":            {Data: []byte("package b\nworkloads: b: {kind: \"service\", image: \"x\"}")},
	}
	cache := &Cache{}
	if _, err := Load(files, testRevision, WithCache(cache)); err == nil {
		t.Fatal("the import is missing and nobody says so")
	}
	files["late/l.cue"] = &fstest.MapFile{Data: []byte("package late\nimage: \"y\"")}
	if _, err := Load(files, testRevision, WithCache(cache)); err != nil {
		t.Fatal(err)
	}
	files["cluster.cue"] = &fstest.MapFile{Data: []byte("cluster: policy: image: \"y\"")}
	spec, err := Load(files, testRevision, WithCache(cache))
	if len(spec.Workloads) != 1 || err == nil || !strings.Contains(err.Error(), "b/b.cue:2:33: workloads.b.image: the cluster's policy (cluster.cue:1:18) wants") {
		t.Fatalf("got %d workloads, %v", len(spec.Workloads), err)
	}
}

func TestNearest(t *testing.T) {
	known := rules().kinds["service"].names()
	for name, want := range map[string]string{
		"replcas": "replicas", "Replicas": "replicas", "iamge": "image", "environment": "env", "port": "ports",
		"volume": "volumes", "cmd": "", "healthcheck": "health", "constraint": "constraints", "foo": "", "": "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestDistance_IsAMetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching("[ab]{0,6}")
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
	})
}

// The order from a push has 150 ms in all; evaluating the sample is a small part.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		files := fleet(n)
		b.Run(fmt.Sprintf("workloads=%d", n), func(b *testing.B) { benchmark(b, files) })
		b.Run(fmt.Sprintf("workloads=%d/cached", n), func(b *testing.B) { benchmark(b, files, WithCache(&Cache{})) })
	}
}

func benchmark(b *testing.B, files fstest.MapFS, opts ...Option) {
	for i := 0; b.Loop(); i++ {
		files["team-0/w0.cue"].ModTime = time.Unix(int64(i), 0)
		if _, err := Load(files, testRevision, opts...); err != nil {
			b.Fatal(err)
		}
	}
}
