package load

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bayplan/bayplan/schema"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// testRevision is a commit like any other.
var testRevision = schema.Revision{Commit: strings.Repeat("c0ffee12", 5), Time: time.Unix(1_700_000_000, 0).UTC(), Author: "Ann", Subject: "say more"}

// TestLoad_Golden reads each archive of testdata as a tree and compares what
// Load makes of it with the archive's last file, "== want".
func TestLoad_Golden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no archives", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { golden(t, name) })
	}
}

func golden(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	files, want := split(archive)
	got := transcript(Load(files, testRevision, WithGrants(grantsOf(t, string(archive.Comment))), WithEnvironment(environmentOf(string(archive.Comment)))))
	if *update {
		archive.Files = append(archive.Files[:len(files)], txtar.File{Name: wantName, Data: []byte(got)})
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n(-want +got, -update rewrites):\n%s", archive.Comment, diff)
	}
}

// grantsOf reads what an archive says of grants: "Granted: host-network=infra/,
// devices." or else everything.
func grantsOf(t *testing.T, comment string) schema.Grants {
	_, list, told := strings.Cut(comment, "Granted: ")
	if !told {
		return schema.AllGrants()
	}
	list, _, _ = strings.Cut(list, ".")
	if list == "nothing" {
		return nil
	}
	all, err := schema.ParseGrants(strings.Split(list, ", "))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// environmentOf reads the name that an archive asks for: "Environment: prod."
func environmentOf(comment string) string {
	_, name, _ := strings.Cut(comment, "Environment: ")
	name, _, _ = strings.Cut(name, ".")
	return name
}

const wantName = "== want"

func split(a *txtar.Archive) (fstest.MapFS, string) {
	files, want := fstest.MapFS{}, ""
	for _, f := range a.Files {
		if f.Name == wantName {
			want = string(f.Data)
			continue
		}
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return files, want
}

// transcript writes what Load returned for a reader: the teams, their errors
// with what to do next, and the workloads with each field that is not a default.
func transcript(spec schema.Spec, err error) string {
	var b strings.Builder
	for _, team := range spec.Teams {
		fmt.Fprintf(&b, "team %q: %d errors\n", team.Name, len(team.Errors))
	}
	for _, e := range Errors(err) {
		fmt.Fprintf(&b, "%v\n\t%s\n", e, e.Next)
	}
	if err != nil && Errors(err) == nil {
		fmt.Fprintf(&b, "nothing: %v\n", err)
	}
	for i := range spec.Workloads {
		fmt.Fprintf(&b, "%s %s\n", spec.Workloads[i].Name, special(&spec.Workloads[i]))
	}
	return b.String()
}

// special is the JSON of a workload without its name and its defaults.
func special(w *schema.Workload) string {
	all, plain := fields(w), fields(plainOf(w.Kind))
	for name, v := range plain {
		if name != "kind" && cmp.Equal(all[name], v) {
			delete(all, name)
		}
	}
	delete(all, "name")
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// needs are the fields that a kind cannot do without.
var needs = map[schema.Kind]string{schema.Cron: `, schedule: "0 0 1 1 *"`}

func plainOf(kind schema.Kind) *schema.Workload {
	text := fmt.Sprintf("workloads: plain: {kind: %q, image: \"x\"%s}", kind, needs[kind])
	spec, err := Load(fstest.MapFS{"t/a.cue": {Data: []byte(text)}}, testRevision)
	if err != nil {
		panic(err)
	}
	return &spec.Workloads[0]
}

func fields(w *schema.Workload) map[string]any {
	b, err := json.Marshal(w)
	if err != nil {
		panic(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	return m
}

func TestLoad_Empty(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"nothing":             {},
		"no file of ours":     {"README.md": {Data: []byte("# hello")}, "src/main.go": {Data: []byte("package main")}},
		"passed over":         {".github/ci.yaml": {Data: []byte("on: push")}, "_old/web.cue": {Data: []byte("x: 1")}},
		"other tools at root": {"package.json": {Data: []byte(`{"name": "x"}`)}},
	} {
		spec, err := Load(files, testRevision)
		if !errors.Is(err, ErrEmpty) || len(spec.Workloads)+len(spec.Teams) != 0 {
			t.Errorf("%s: got %v, %v; want ErrEmpty", name, spec, err)
		}
	}
}

// brokenFS fails for one file, as a tree with a lost object does.
type brokenFS struct {
	fs.FS
	name string
}

func (b brokenFS) Open(name string) (fs.File, error) {
	if name == b.name {
		return nil, errors.New("object not found")
	}
	return b.FS.Open(name)
}

// I7: half a tree is no tree, since what is missing would read as removed.
func TestLoad_UnreadableFile(t *testing.T) {
	files := fstest.MapFS{"a/a.cue": {Data: []byte(`workloads: a: {kind: "service", image: "x"}`)}, "b/b.cue": {Data: []byte("x: 1")}}
	spec, err := Load(brokenFS{files, "b/b.cue"}, testRevision)
	if err == nil || Errors(err) != nil || len(spec.Workloads) != 0 {
		t.Fatalf("got %v, %v; want one error and nothing else", spec, err)
	}
	if !strings.Contains(err.Error(), "reading b/b.cue") {
		t.Errorf("the error does not name the file: %v", err)
	}
}
