package load_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/fstest"

	"github.com/bayplan/bayplan/schema/load"
)

// TestLocator_FindsWhereAFieldStands: in the file that says it, be it CUE, YAML or
// a definition of another package; what a default gave has the workload's place.
func TestLocator_FindsWhereAFieldStands(t *testing.T) {
	files := fstest.MapFS{
		"cue.mod/module.cue": {Data: []byte("module: \"example.org/ops\"\nlanguage: version: \"v0.13.0\"\n")},
		"base/base.cue":      {Data: []byte("package base\n\n#Web: {\n\tkind: \"service\"\n\treplicas: 3\n\t...\n}\n")},
		"shop/web.cue": {Data: []byte("package shop\n\nimport \"example.org/ops/base\"\n\nworkloads: web: base.#Web & {\n" +
			"\timage: \"r/web:1\"\n\tports: http: container: 8080\n\targs: [\n\t\t\"-v\",\n\t\t\"-q\",\n\t]\n\tlabels: \"a.b/c\": \"d\"\n}\n")},
		"shop/api.yaml":   {Data: []byte("workloads:\n  api:\n    kind: service\n    image: r/api:1\n    env:\n      A.B: x\n")},
		"broken/web.cue":  {Data: []byte("package broken\nworkloads: {{\n")},
		"endless/web.cue": {Data: []byte("package endless\nworkloads: web: 1\n")},
	}
	l, err := load.NewLocator(files)
	if err != nil {
		t.Fatal(err)
	}
	afar, err := load.NewLocator(files, load.WithEvaluator(byWire))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[[2]string]load.Position{
		{"shop/web", "image"}:                {File: "shop/web.cue", Line: 6, Written: true},
		{"shop/web", "ports.http.container"}: {File: "shop/web.cue", Line: 7, Written: true},
		{"shop/web", "args[1]"}:              {File: "shop/web.cue", Line: 10, Written: true},
		{"shop/web", "labels.a.b/c"}:         {File: "shop/web.cue", Line: 12, Written: true},
		{"shop/web", "stop.grace"}:           {File: "shop/web.cue", Line: 5},
		{"shop/api", "env.A.B"}:              {File: "shop/api.yaml", Line: 6, Written: true},
		{"shop/api", "image"}:                {File: "shop/api.yaml", Line: 4, Written: true},
		{"shop/none", "image"}:               {},
		{"none/web", "image"}:                {},
		{"broken/web", "image"}:              {},
		{"endless/web", "image"}:             {File: "endless/web.cue", Line: 2},
	} {
		if got := l.Find(t.Context(), field[0], field[1]); got != want {
			t.Errorf("%s %s: %+v, want %+v", field[0], field[1], got, want)
		}
		places := []load.Place{{Workload: "shop/api", Field: "image"}, {Workload: field[0], Field: field[1]}}
		if got := afar.FindAll(t.Context(), places); got[0].Line != 4 || got[1] != want {
			t.Errorf("by another process: %s %s: %+v, want %+v", field[0], field[1], got, want)
		}
	}
}

// byWire evaluates as a worker does: the package comes as JSON.
func byWire(_ context.Context, p load.Package, read func(string) load.Folder) ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var q load.Package
	if err := json.Unmarshal(text, &q); err != nil {
		return nil, err
	}
	return load.Evaluate(q, read), nil
}

// TestLocator_BelievesNoAnswer that is none: it then knows no places.
func TestLocator_BelievesNoAnswer(t *testing.T) {
	files := fstest.MapFS{"shop/web.cue": {Data: []byte(`workloads: web: {kind: "service", image: "x"}`)}}
	for _, answer := range []string{"", "{}", "[]", `[{"File": "../x", "Line": 1}]`, `[{"File": "shop/web.cue"}]`, "[{\"File\": \"a\\nb\", \"Line\": 1}]", `[{},{}]`} {
		l, err := load.NewLocator(files, load.WithEvaluator(func(context.Context, load.Package, func(string) load.Folder) ([]byte, error) {
			return []byte(answer), nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		if got := l.FindAll(t.Context(), []load.Place{{Workload: "shop/web", Field: "image"}}); got[0] != (load.Position{}) {
			t.Errorf("%s is believed: %+v", answer, got)
		}
	}
}
