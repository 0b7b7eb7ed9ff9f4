package load_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/bayplan/bayplan/schema/load"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := load.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("bayplan.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("bayplan.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func yamlAgainst(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// What the examples write in YAML is valid for who only has the JSON Schema.
func TestJSONSchema_ExamplesAreValid(t *testing.T) {
	s, n := compiled(t), 0
	err := filepath.WalkDir("../../examples", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), "workloads:") {
			return err
		}
		n++
		if err := yamlAgainst(t, s, string(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files, %v", n, err)
	}
}

func TestJSONSchema_SaysWhatTheLoaderSays(t *testing.T) {
	s := compiled(t)
	for text, good := range map[string]bool{
		"workloads: {web: {kind: service, image: 'x:1', replicas: 3, ports: {http: {container: 80}}}}":                                        true,
		"workloads: {web: {kind: cron, image: x, schedule: '@daily', deadline: 5m, resources: {cpu: 500m, memory: 1Gi}}}":                     true,
		"workloads: {db: {kind: stateful, image: x, volumes: {data: {path: /data}}, affinity: [{attribute: zone, value: a, weight: 3}]}}":     true,
		"workloads: {g: {kind: job, image: x, init: [{name: a, image: x}], postStop: {name: b, image: x, timeout: 5s}}}":                      true,
		"cluster: {pools: {a: {limit: {cpu: 3}}}, owners: {shop/: {kinds: [job], quota: {slots: 3}}}, anything: {x: 1}}":                      true,
		"workloads: {j: {kind: job, image: x, resources: {devices: {gpu: 2, tpu: {count: 1, constraints: [{attribute: model, value: a}]}}}}}": true,
		"workloads: {j: {kind: job, image: x, resources: {devices: {gpu: 0}}}}":                                                               false,
		"workloads: {j: {kind: job, image: x, resources: {devices: {gpu: {cont: 1}}}}}":                                                       false,
		"workloads: {web: {image: x}}":                                   false,
		"workloads: {web: {kind: service, image: x, replicas: many}}":    false,
		"workloads: {web: {kind: service, image: x, replcas: 3}}":        false,
		"workloads: {web: {kind: daemon, image: x, replicas: 3}}":        false,
		"workloads: {web: {kind: cron, image: x}}":                       false,
		"workloads: {Web: {kind: service, image: x}}":                    false,
		"workloads: {web: {kind: service, image: x, stop: {grace: 30}}}": false,
		"workloads: {web: {kind: service, image: x, env: {PORT: 80}}}":   false,
		"workload: {web: {kind: service, image: x}}":                     false,
		"cluster: {pools: {a: {limits: {cpu: 3}}}}":                      false,
	} {
		if err := yamlAgainst(t, s, text); (err == nil) != good {
			t.Errorf("%s: got %v, want valid: %t", text, err, good)
		}
	}
}
