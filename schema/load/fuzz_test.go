package load

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bayplan/bayplan/schema"
)

// FuzzLoad feeds one file of any language beside a good team. Whatever it
// holds: no panic, the good team comes through, every error has a place in the
// file's team, and every workload keeps the rules (I7, I13, I27).
func FuzzLoad(f *testing.F) {
	for _, name := range seeds(f) {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		files, _ := split(archive)
		for name, file := range files {
			f.Add(filepath.Ext(name), file.Data)
		}
	}
	f.Add(".cue", []byte("\x00\xff\xfe"))
	f.Add(".yaml", []byte("a: &a [*a, *a]"))
	f.Add(".json", []byte(`{"workloads": null}`))
	f.Add(".cue", []byte(`workloads: {a: workloads.b, b: workloads.a}`))
	f.Add(".cue", []byte(`workloads: [string]: {kind: "service"}, workloads: "": {}`))
	f.Fuzz(func(t *testing.T, language string, data []byte) {
		if !slices.Contains([]string{".cue", ".yaml", ".json"}, language) || costly(data) {
			t.Skip()
		}
		files := fstest.MapFS{"good/a.cue": {Data: []byte(`workloads: a: {kind: "service", image: "x"}`)}, "odd/x" + language: {Data: data}}
		spec, err := Load(files, testRevision)
		if spec.Workload("good/a") == nil {
			t.Fatalf("the good team is gone: %v", err)
		}
		for _, e := range Errors(err) {
			if e.Team != "odd" || e.Message == "" || e.Next == "" || strings.Contains(e.File, schemaFile) || strings.Contains(e.Message, "\x00schema") {
				t.Errorf("an error without a place: %+v", e)
			}
			if strings.Contains(e.Message, "broke off") {
				t.Errorf("panic: %v", e)
			}
		}
		keepRules(t, spec)
	})
}

func keepRules(t *testing.T, spec schema.Spec) {
	for i := range spec.Workloads {
		w := &spec.Workloads[i]
		if p := w.Check(); len(p) > 0 || w.Replicas < 0 || w.Image == "" && w.Artifact == nil || w.Pool == "" {
			t.Errorf("%s breaks the rules: %v", w.Name, p)
		}
	}
}

// costly keeps the fuzzer from programs that are legal and have no end, which
// this package cannot stop (see doc.go).
func costly(data []byte) bool {
	s := string(data)
	return len(s) > 4096 || strings.Contains(s, "for ") || strings.Contains(s, "Repeat") || strings.Contains(s, "Range")
}

func seeds(f *testing.F) []string {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	return names
}
