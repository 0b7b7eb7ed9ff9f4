package load

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// CUE is the embedded schema as one file of package schema.
func CUE() ([]byte, error) {
	names, err := fs.Glob(schema.CUE, "*.cue")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	slices.SortStableFunc(names, func(a, b string) int { return first(b, "workload.cue") - first(a, "workload.cue") })
	var out []byte
	for i, name := range names {
		text, err := schema.CUE.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = bytes.Replace(text, []byte("package schema\n"), nil, 1)
		}
		out = append(out, text...)
	}
	return out, nil
}

func first(name, wanted string) int {
	if name == wanted {
		return 1
	}
	return 0
}

// Editors' files of a new repository, which the loader passes over.
const jsonSchemaFile = ".bayplan/schema.json"

// Repository is the files of a new repository whose CUE module is called so: a
// sample, and the schema for other programs than this one, as a vendored package
// for CUE's and as JSON Schema for editors of YAML.
func Repository(module string) (map[string][]byte, error) {
	files := map[string][]byte{
		"cue.mod/module.cue": fmt.Appendf(nil, "module: %q\nlanguage: version: \"v0.12.0\"\n", module),
		"cluster.cue":        []byte(sampleCluster),
		"hello/web.cue":      []byte(sampleWorkload),
	}
	names, err := fs.Glob(schema.CUE, "*.cue")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if files[path.Join("cue.mod/pkg", schemaPath, name)], err = schema.CUE.ReadFile(name); err != nil {
			return nil, err
		}
	}
	text, err := JSONSchema()
	files[jsonSchemaFile] = append(text, '\n')
	return files, err
}

const sampleCluster = `// The root of the repository belongs to the operators of the cluster. Workloads
// live in folders, and the path of a folder is the name of the team.
package cluster

import "github.com/bayplan/bayplan/schema"

cluster: schema.#Cluster & {
	// Rules for every team: policy: replicas?: <=10
	// Limits for some:      owners: "hello/": quota: {cpu: 4, workloads: 10}
}
`

const sampleWorkload = `// Everything in this folder belongs to the team hello.
package hello

import "github.com/bayplan/bayplan/schema"

workloads: web: schema.#Service & {
	kind:     "service"
	image:    "registry.example/hello:1"
	replicas: 2
	resources: {cpu: "50m", memory: "32Mi"}
	ports: http: container: 8080
	health: http: {path: "/up", port: "http"}
}
`
