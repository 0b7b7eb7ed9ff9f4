package load_test

import (
	"testing"
	"testing/fstest"

	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// TestLoad_Gates are of the Spec; none are asked for by a root that does not name
// them, and none by a team.
func TestLoad_Gates(t *testing.T) {
	for text, want := range map[string]schema.Gates{
		"cluster: gates: pinPlans: true": {PinPlans: true},
		"cluster: gates: {}":             {},
		"cluster: {}":                    {},
	} {
		files := fstest.MapFS{"cluster.cue": {Data: []byte(text)}, "shop/a.cue": {Data: []byte(`workloads: web: {kind: "service", image: "x"}`)}}
		spec, err := load.Load(files, schema.Revision{Commit: "c1"})
		if err != nil || spec.Gates != want {
			t.Errorf("%s: %+v, %v", text, spec.Gates, err)
		}
	}
}
