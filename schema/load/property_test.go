package load

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/bayplan/bayplan/schema"
)

// breakages are files that spoil the package they are put into.
var breakages = []fstest.MapFS{
	{"broken.cue": {Data: []byte("}")}},
	{"broken.yaml": {Data: []byte("workloads: {")}},
	{"broken.json": {Data: []byte("\xff\x00")}},
	{"broken.cue": {Data: []byte("package team\n\nworkloads: extra: kind: \"servce\"")}},
	{"broken.cue": {Data: []byte("package team\n\nworkloads: [string]: replicas: \"3\"")}},
	{"broken.cue": {Data: []byte("package other")}},
	{"broken.cue": {Data: []byte("package team\n\nimport \"x.example/y\"\n\na: y.z")}},
	{"broken.cue": {Data: []byte("package team\n\na: b: a")}, "broken.yml": {Data: []byte("workload: {}")}},
}

// unhurried is for what must not hang on how busy the machine is.
func unhurried() Option { return WithLimits(Limits{PackageTime: time.Hour}) }

// threeTeams have two workloads each.
func threeTeams() fstest.MapFS {
	files := fleet(60)
	maps.DeleteFunc(files, func(name string, _ *fstest.MapFile) bool {
		var team, w int
		n, _ := fmt.Sscanf(name, "team-%d/w%d.cue", &team, &w)
		return n == 2 && w%20 > 1
	})
	return files
}

// I13: whichever teams are broken and however, the sound ones are all there and
// as they would be alone, and no broken one gives a single workload.
func TestLoad_BrokenTeamsKeepNoOther(t *testing.T) {
	sound, err := Load(threeTeams(), testRevision, unhurried())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		files, broken := threeTeams(), map[string]bool{}
		for i := range 3 {
			if rapid.Bool().Draw(t, "break") {
				team := fmt.Sprintf("team-%d", i)
				broken[team] = true
				for name, f := range rapid.SampledFrom(breakages).Draw(t, "how") {
					files[team+"/"+name] = f
				}
			}
		}
		spec, err := Load(files, testRevision, unhurried())
		want := slices.DeleteFunc(slices.Clone(sound.Workloads), func(w schema.Workload) bool { return broken[w.Team()] })
		if diff := cmp.Diff(want, spec.Workloads, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		for _, team := range spec.Teams {
			if broken[team.Name] != (len(team.Errors) > 0) || broken[team.Name] != (team.Commit == "") {
				t.Fatalf("team %+v, broken: %v", team, broken[team.Name])
			}
		}
		if (err != nil) != (len(broken) > 0) {
			t.Fatal(err)
		}
	})
}

// Whatever is loaded can be written down as YAML or JSON and says the same again.
func TestLoad_RenderedReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorkload(t)
		written := fields(&w)
		delete(written, "name") // which is the label's in a file
		text, err := json.Marshal(map[string]any{"workloads": map[string]any{"x": written}})
		if err != nil {
			t.Fatal(err)
		}
		name := "t/x.json"
		if rapid.Bool().Draw(t, "yaml") {
			name = "t/x.yaml"
			if text, err = yaml.JSONToYAML(text); err != nil {
				t.Fatal(err)
			}
		}
		spec, err := Load(tree1(name, string(text)), testRevision)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		want := fields(&w)
		want["name"] = "t/x"
		if diff := cmp.Diff(want, fields(&spec.Workloads[0])); diff != "" {
			t.Fatalf("%s\n%s", diff, text)
		}
	})
}

func drawWorkload(t *rapid.T) schema.Workload {
	duration := func(name string) schema.Duration {
		return schema.Duration(time.Duration(rapid.Int64Range(100, 100_000_000).Draw(t, name)) * time.Millisecond)
	}
	text := rapid.StringMatching(`[a-zA-Z0-9 :#'"{}\[\]&*!|>%@-]{0,12}`)
	return schema.Workload{Kind: schema.Service, Image: "x:1", Network: schema.Bridge, Pool: rapid.StringMatching(`[a-z]([-a-z0-9]{0,5}[a-z0-9])?`).Draw(t, "pool"),
		Args:     rapid.SliceOfN(text, 1, 3).Draw(t, "args"),
		Env:      rapid.MapOfN(rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_]{0,4}`), text, 1, 3).Draw(t, "env"),
		Replicas: rapid.IntRange(1, 10_000).Draw(t, "replicas"),
		Resources: schema.Resources{CPU: schema.CPU(rapid.Int64Range(1, 1e6).Draw(t, "cpu")), Memory: schema.Bytes(rapid.Int64Range(1<<20, 1e12).Draw(t, "memory")),
			Limit: schema.Limits{Pids: rapid.IntRange(1, 1<<22).Draw(t, "pids")}},
		Ports:   map[string]schema.Port{"http": {Container: rapid.IntRange(1, 65535).Draw(t, "port"), Protocol: "tcp"}},
		Health:  &schema.Health{TCP: &schema.TCPCheck{Port: "http"}, Interval: duration("interval"), Timeout: duration("timeout"), Retries: 2},
		Restart: schema.Restart{Policy: "always", Backoff: 1e6, MaxBackoff: duration("backoff")},
		Stop:    schema.Stop{Signal: "SIGINT", Grace: duration("grace")},
		Update: schema.Update{Strategy: "rolling", MaxSurge: schema.Amount{Percent: rapid.IntRange(1, 100).Draw(t, "surge"), IsPercent: true},
			MinHealthyTime: duration("min"), HealthyDeadline: duration("deadline"), ProgressDeadline: duration("progress") + schema.Duration(100_000*time.Second)},
		LostAfter: duration("lost"), Labels: map[string]string{"a": text.Draw(t, "label")}}
}
