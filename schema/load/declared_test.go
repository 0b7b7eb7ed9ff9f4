package load

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRules_Definitions(t *testing.T) {
	want := map[string]string{"service": "#Service", "daemon": "#Daemon", "job": "#Job", "cron": "#Cron", "stateful": "#Stateful"}
	if diff := cmp.Diff(want, rules().definitions); diff != "" {
		t.Error(diff)
	}
}

// A workload that takes the schema in by import comes to what one does that does
// not, right or wrong.
func TestLoad_DeclaredOrNot(t *testing.T) {
	for name, body := range map[string]string{
		"plain":       `workloads: web: schema.#Service & {kind: "service", image: "x"}`,
		"in a struct": `workloads: {web: {image: "x"} & (schema.#Service & {kind: "service"})}`,
		"two places":  "workloads: web: schema.#Service & {kind: \"service\"}\nworkloads: web: image: \"x\"",
		"unknown":     `workloads: web: schema.#Service & {kind: "service", image: "x", imagine: 1}`,
		"later on":    "workloads: web: schema.#Service & {kind: \"service\", image: \"x\"}\nworkloads: web: imagine: 1",
		"missing":     `workloads: web: schema.#Service & {kind: "service"}`,
		"wrong":       `workloads: web: schema.#Service & {kind: "service", image: "x", replicas: -1}`,
		"not yet":     `workloads: web: schema.#Service & {kind: "service", image: "x", replicas: int}`,
		"a default":   `workloads: web: schema.#Service & {kind: "service", image: "x", replicas: *3 | 4}`,
	} {
		good := name == "plain" || name == "in a struct" || name == "two places" || name == "a default"
		for _, text := range []string{
			"package a\nimport \"github.com/bayplan/bayplan/schema\"\n" + body,
			"package a\n_any: _\n" + strings.ReplaceAll(body, "schema.#Service", "_any"),
		} {
			spec, err := Load(tree1("a/a.cue", text), testRevision)
			if (err == nil) != good || (spec.Workload("a/web") != nil) != good {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
}

// What only looks like the schema is held to the schema.
func TestLoad_DeclaredByAnotherName(t *testing.T) {
	for name, text := range map[string]string{
		"a workload": `workloads: {schema: {kind: "service", image: "x", #Service: {...}}, web: schema.#Service & {kind: "service", imagine: 1}}`,
		"an alias":   "import schema \"strings\"\nworkloads: web: schema.#Service & {kind: \"service\", imagine: 1}",
		"any":        "import \"github.com/bayplan/bayplan/schema\"\nworkloads: web: (schema.#Service | {...}) & {kind: \"service\", image: \"x\", imagine: 1}",
		"the kind":   "import \"github.com/bayplan/bayplan/schema\"\nworkloads: web: schema.#Common & {kind: \"service\", image: \"x\", imagine: 1}",
	} {
		if spec, err := Load(tree1("a/a.cue", text), testRevision); err == nil || spec.Workload("a/web") != nil {
			t.Errorf("%s: %+v, %v", name, spec.Workloads, err)
		}
	}
}
