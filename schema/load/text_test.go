package load

import (
	"encoding/json"
	"fmt"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/schema"
)

// What is asked of CUE field by field is what CUE's own way out comes to.
func TestText_AsMarshalJSON(t *testing.T) {
	odd := `env: {"": "", "a\"b": "\\\n\t\u0000é<&>\u2028", z: "~", a: "1"}, labels: {}, tolerates: [], args: ["", "\"", "{", "["]`
	for _, kind := range []schema.Kind{schema.Service, schema.Daemon, schema.Job, schema.Cron, schema.Stateful} {
		all := []string{fmt.Sprintf(`{%s, image: *"r/x" | string, %s}`, least(kind), odd), fmt.Sprintf(`{%s, priority: -0, resources: {cpu: 0.5, memory: 1048576}}`, least(kind))}
		for i := range 2 * len(updates) {
			all = append(all, everything(kind, i))
		}
		for _, text := range all {
			sameText(t, rules().kinds[string(kind)], string(kind), text)
		}
	}
}

// least is what a workload of a kind must say.
func least(kind schema.Kind) string {
	if kind == schema.Cron {
		return `kind: "cron", schedule: "@daily"`
	}
	return fmt.Sprintf("kind: %q", kind)
}

func sameText(t *testing.T, r *rule, kind, text string) {
	t.Helper()
	ctx := cuecontext.New()
	v := ctx.BuildInstance(schemaInstance()).LookupPath(kindsPath).LookupPath(cue.MakePath(cue.Str(kind))).Unify(ctx.CompileString(text))
	bare := dataOf(t, text, v.MarshalJSON)
	for _, defaults := range []bool{false, true} {
		got := dataOf(t, text, func() ([]byte, error) { return r.text(nil, v, defaults) })
		want := bare
		if defaults {
			want = dataOf(t, text, func() ([]byte, error) { return json.Marshal(r.filled(bare)) })
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("defaults %v of %s\n%s", defaults, text, diff)
		}
	}
}

func dataOf(t *testing.T, of string, way func() ([]byte, error)) any {
	t.Helper()
	text, err := way()
	if err != nil {
		t.Fatalf("%v\n%s", err, of)
	}
	data, err := decodeTree(text)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, of)
	}
	return data
}
