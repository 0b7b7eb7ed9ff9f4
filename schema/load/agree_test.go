package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/schema"
)

// populated says everything that every workload can say, with no default among
// it, lasting what those can say whose slots stay, batch and timing the others.
const populated = `
	image:   "registry.example/x@sha256:%064d"
	artifact: {url: "https://files.example/x.tar.gz", sha256: "%064[1]d", path: "/srv", unpack: true}
	args: ["-v"]
	env: A: "b"
	user:    "1000:1000"
	workdir: "/srv"
	resources: {cpu: "1500m", memory: "1Gi", disk: "2Gi", devices: gpu: {count: 2, constraints: [{attribute: "model", op: "in", values: ["a"]}, {attribute: "mem", op: ">", value: "8"}]}, limit: {cpu: "2", memory: "2Gi", pids: 100, files: 2000}}
	network: "bridge"
	ports: http: {container: 80, host: 8080, protocol: "tcp"}
	volumes: {data: {path: "/data", readOnly: true, host: "shared"}, own: {path: "/own", size: "10Gi"}}
	tmpfs: run: {path: "/run", size: "16Mi"}
	readOnlyRoot: true
	stop: {signal: "SIGINT", grace: "30s"}
	constraints: [{attribute: "zone", op: "!=", value: "a"}, {attribute: "zone", op: "in", values: ["b", "c"]}]
	affinity: [{attribute: "disk", op: "=", value: "ssd", weight: -20}, {attribute: "disk", op: "in", values: ["x"], weight: 2}]
	spread: [{over: "zone", weight: 30, targets: {a: 2, b: 1}}]
	near: [{workload: "shop/db", over: "zone", apart: true, must: true, weight: 20}]
	maxPer: node: 2
	tolerates: ["gpu"]
	priority:  7
	revocable: true
	gang:      true
	pool:      "batch"
	after: ["t/y:started"]
	init: [{name: "one", image: "i:1", command: ["a"], args: ["b"], env: C: "d", user: "1", workdir: "/w", mounts: data: "/x", limit: {cpu: "1", memory: "1Gi", pids: 9, files: 99}}]
	sidecars: [{name: "two", image: "i:1", command: ["a"], args: ["b"], env: C: "d", user: "1", workdir: "/w", mounts: data: "/x", limit: {cpu: "1", memory: "1Gi", pids: 9, files: 99}}]
	postStop: {name: "end", image: "i:1", command: ["a"], args: ["b"], env: C: "d", user: "1", workdir: "/w", mounts: data: "/x", limit: {cpu: "1", memory: "1Gi", pids: 9, files: 99}, timeout: "3s"}
	lostAfter: "5m"
	labels: a: "b"
`

const lasting = `
	health: {%s, interval: "1m30s", timeout: "3s", retries: 5, startPeriod: "1s"}
	restart: {policy: "on-failure", backoff: "2s", maxBackoff: "2m"}
	update: {%s
		maxSurge:         "50%%"
		maxUnavailable:   2
		minHealthyTime:   "1s"
		healthyDeadline:  "1h"
		progressDeadline: "2h"
		maxFailures:      3
	}
`

const (
	batch    = `completions: 7, parallelism: 3, attempts: 5, backoff: "2s", maxBackoff: "3m", deadline: "4h", onLost: "retry", keep: 2`
	identity = `replicas: 7, quorum: 4, start: "parallel", retain: "24h", onLost: "replace"`
	timing   = `schedule: "@daily", timeZone: "Europe/Berlin", overlap: "allow", catchUp: "1h"`
)

// everything is the i-th way in which a workload of a kind says all that it can.
func everything(kind schema.Kind, i int) string {
	extra := map[schema.Kind]string{schema.Service: "replicas: 7, evictWithVolumes: true", schema.Job: batch, schema.Cron: batch + ", " + timing, schema.Stateful: identity}[kind]
	common := fmt.Sprintf(populated, 1)
	if kind.Runs() {
		return fmt.Sprintf("{kind: %q, %s\n%s\n%s}", kind, extra, programs[i%len(programs)], withoutOwn(common))
	}
	update := updateOf(kind, i)
	if strings.Contains(update, schema.BlueGreen) {
		common, extra = withoutOwn(common), strings.TrimSuffix(extra, ", evictWithVolumes: true")
	}
	return fmt.Sprintf("{kind: %q\n%s\n%s\n%s\n%s}", kind, extra, programs[i%len(programs)], common, fmt.Sprintf(lasting, checks[i%len(checks)], update))
}

// withoutOwn takes the slot's own volume away, which not all that has slots has.
func withoutOwn(text string) string {
	return strings.Replace(text, `, own: {path: "/own", size: "10Gi"}`, "", 1)
}

// programs exclude each other, as checks do.
var programs = []string{`command: ["/bin/x", "run"]`, `java: {jar: "x.jar", main: "x.Main", options: ["-Xss1m"]}`}

var checks = []string{`http: {path: "/", port: "http"}`, `tcp: port: "http"`, `exec: command: ["x"]`}

// updates are ways of going on; a daemon has no order.
var updates = []string{`strategy: "recreate"`,
	fmt.Sprintf(`strategy: "ordered", runbook: {first: %[1]s, last: %[1]s, before: %[1]s, after: %[1]s, parallel: 2}`, everyStep),
	fmt.Sprintf(`strategy: "ordered", runbook: {parallel: 2, phases: [{name: "p", slots: [6, 5], parallel: 2, before: %[1]s, after: %[1]s}, {name: "q", parallel: 2}]}`, everyStep),
	`strategy: "blueGreen", blueGreen: {soak: "1m", promotion: "manual", within: "1h", keepOld: "5m", drain: "1s"}`,
	`strategy: "canary", canary: [{count: 1, pause: "1m", approve: true, within: "1h"}, {percent: 50, pause: "1s", approve: true, within: "2h", checks: ` + everyStep + `}]`,
}

// everyStep is a list of one step of each means.
const everyStep = `[
	{name: "a", kind: "check", tcp: port: "http", slot: 1, timeout: "1s", retries: 3, interval: "1s"},
	{name: "b", kind: "check", http: {path: "/x", port: "http"}, slot: 1, timeout: "1s", retries: 3, interval: "1s"},
	{name: "c", kind: "action", exec: command: ["x"], slot: 1, timeout: "1s", retries: 3, interval: "1s", together: true},
	{name: "d", kind: "action", run: {image: "x", command: ["x"], args: ["y"], env: A: "b", user: "1"}, timeout: "1s", retries: 3, interval: "1s"},
]`

// updateOf is the i-th that goes with the kind.
func updateOf(kind schema.Kind, i int) string {
	switch kind {
	case schema.Daemon:
		return updates[0]
	case schema.Stateful: // to have a quorum is to recreate nothing
		return updates[1+i%2]
	}
	return updates[i%len(updates)]
}

// What users write comes back unchanged through CUE, JSON, Go and JSON.
func TestAgree_RoundTrip(t *testing.T) {
	for _, kind := range schema.Kinds {
		for i := range updates {
			text := everything(kind, i)
			written := asJSON(t, text)
			spec, err := Load(fstest.MapFS{"t/a.cue": {Data: []byte("workloads: y: {kind: \"service\", image: \"y\"}\nworkloads: x: " + text)}}, testRevision, WithGrants(schema.AllGrants()))
			if err != nil {
				t.Fatal(err)
			}
			got := fields(&spec.Workloads[0])
			delete(got, "name")
			if diff := cmp.Diff(written, got); diff != "" {
				t.Errorf("%s, %s (-written +got):\n%s", kind, updates[i], diff)
			}
		}
	}
}

// What a blueGreen update has without a word about it is what the files' defaults
// say.
func TestAgree_DefaultsOfSets(t *testing.T) {
	spec, err := Load(fstest.MapFS{"t/a.cue": {Data: []byte(`workloads: x: {kind: "service", image: "x", update: {strategy: "blueGreen", blueGreen: {}}}`)}}, testRevision)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(new(schema.Update).Sets(), spec.Workloads[0].Update.Sets()); diff != "" {
		t.Error(diff)
	}
}

// The examples above leave out no field of either side.
func TestAgree_PopulatedIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for i := range updates {
		note(seen, "", asJSON(t, everything(schema.Service, i)))
		note(seen, "", asJSON(t, everything(schema.Cron, i)))
	}
	for _, kind := range []string{"service", "cron"} {
		for path := range leaves(rules().kinds[kind], "") {
			if !seen[path] {
				t.Errorf("the populated example leaves out %s", path)
			}
		}
	}
}

func note(seen map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, f := range v {
			note(seen, path+"."+name, f)
			note(seen, path+".*", f)
		}
	case []any:
		for _, f := range v {
			note(seen, path+".*", f)
		}
	default:
		seen[path] = true
	}
}

// leaves are the paths of a rule's fields that hold no other fields.
func leaves(r *rule, path string) map[string]bool {
	out := map[string]bool{}
	for name, f := range r.fields {
		for p := range leaves(f, path+"."+name) {
			out[p] = true
		}
	}
	if r.each != nil {
		for p := range leaves(r.each, path+".*") {
			out[p] = true
		}
	}
	if len(out) == 0 {
		out[path] = true
	}
	return out
}

func asJSON(t *testing.T, text string) (m map[string]any) {
	t.Helper()
	v := compile(text)
	b, err := v.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// The loader sets these; no file may.
var notInCUE = map[string]bool{".name": true}

// One side cannot grow a field without the other.
func TestAgree_SameFields(t *testing.T) {
	goFields := goLeaves(reflect.TypeFor[schema.Workload](), "")
	cueFields := map[string]bool{}
	for _, kind := range rules().names() {
		for path := range leaves(rules().kinds[kind], "") {
			cueFields[path] = true
		}
	}
	for path := range goFields {
		if !cueFields[path] && !notInCUE[path] && !strings.HasSuffix(path, ".pinned") {
			t.Errorf("schema.Workload has %s and the CUE files do not", path)
		}
	}
	for path := range cueFields {
		if !goFields[path] {
			t.Errorf("the CUE files have %s and schema.Workload does not", path)
		}
	}
}

func goLeaves(typ reflect.Type, path string) map[string]bool {
	out := map[string]bool{}
	add := func(typ reflect.Type, path string) {
		for p := range goLeaves(typ, path) {
			out[p] = true
		}
	}
	switch {
	case typ.Kind() == reflect.Pointer:
		return goLeaves(typ.Elem(), path)
	case typ.Kind() == reflect.Map || typ.Kind() == reflect.Slice:
		add(typ.Elem(), path+".*")
	case typ.Kind() == reflect.Struct && !typ.Implements(reflect.TypeFor[json.Marshaler]()):
		for i := range typ.NumField() {
			if typ.Field(i).Anonymous {
				add(typ.Field(i).Type, path)
				continue
			}
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			add(typ.Field(i).Type, path+"."+name)
		}
	default:
		out[path] = true
	}
	return out
}

// The kinds of both sides are the same.
func TestAgree_Kinds(t *testing.T) {
	if diff := cmp.Diff([]string{string(schema.Cron), string(schema.Daemon), string(schema.Job), string(schema.Service), string(schema.Stateful)}, rules().names()); diff != "" {
		t.Error(diff)
	}
}

// Each default is what a user could have written, and is stated in the manual's words.
func TestAgree_Defaults(t *testing.T) {
	spec, err := Load(fstest.MapFS{"t/a.cue": {Data: []byte(`workloads: x: {kind: "service", image: "x", health: exec: command: ["x"], ports: a: container: 1}`)}}, testRevision)
	if err != nil {
		t.Fatal(err)
	}
	w := spec.Workloads[0]
	got, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"t/x","kind":"service","image":"x","replicas":1,` +
		`"resources":{"cpu":"100m","memory":"128Mi","limit":{"pids":1024}},"network":"bridge","ports":{"a":{"container":1,"protocol":"tcp"}},` +
		`"health":{"exec":{"command":["x"]},"interval":"10s","timeout":"2s","retries":3,"startPeriod":"0s"},` +
		`"restart":{"policy":"always","backoff":"1s","maxBackoff":"1m"},"stop":{"signal":"SIGTERM","grace":"10s"},"pool":"default",` +
		`"update":{"strategy":"rolling","maxSurge":"25%","maxUnavailable":0,"minHealthyTime":"10s","healthyDeadline":"5m","progressDeadline":"10m"},` +
		`"lostAfter":"30s"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	var back any
	dec := json.NewDecoder(bytes.NewReader(got))
	dec.UseNumber()
	if err := dec.Decode(&back); err != nil {
		t.Fatal(err)
	}
	delete(back.(map[string]any), "name")
	again, err := json.Marshal(map[string]any{"workloads": map[string]any{"x": back}})
	if err != nil {
		t.Fatal(err)
	}
	same, err := Load(fstest.MapFS{"t/a.json": {Data: again}}, testRevision)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, same.Workloads[0]); diff != "" {
		t.Errorf("what was rendered reads differently:\n%s", diff)
	}
}

// Every field has words for a user whose value does not fit.
func TestAgree_Wants(t *testing.T) {
	for _, kind := range rules().names() {
		wants(t, kind, rules().kinds[kind])
	}
}

func wants(t *testing.T, path string, r *rule) {
	if r.want == "" {
		t.Errorf("%s has no @want", path)
	}
	for name, f := range r.fields {
		wants(t, path+"."+name, f)
	}
	if r.each != nil {
		wants(t, path+".*", r.each)
	}
}
