package load

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"cuelang.org/go/cue/ast"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What is judged apart from the team's text comes to what both come to together,
// places and all.
func TestUnder_AsTogether(t *testing.T) {
	more := append([]string{`volumes: x: {path: "/x", host: "h"}`, `after: ["a/v"]`, `network: "host"`, `resources: devices: gpu: count: 1`, `wrong: 1`}, sayings...)
	adding := append([]string{`network: "host"`, `volumes: x: {path: "/x", host: "h"}`, `after: ["b/z"]`, `replicas: "two"`, `wrong: 1`}, terms...)
	rapid.Check(t, func(t *rapid.T) {
		files := fstest.MapFS{"cluster.cue": {Data: []byte("cluster: policy: {" + some(t, "policy", adding, 1, 4) + "}")}}
		text := ""
		for _, name := range []string{"v", "w"} {
			text += fmt.Sprintf("workloads: %s: {kind: \"service\", image: \"r/x\"\n%s}\n", name, some(t, name, more, 0, 3))
		}
		files["a/a.cue"] = &fstest.MapFile{Data: []byte(text)}
		limits := Limits{}.withDefaults()
		tree, err := readTree(files, limits, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		p := Package{Dir: "a", Root: ".", Policy: true, Limits: limits}
		apart := under(p, func(p Package) entry {
			r, err := p.receive(Evaluate(p, tree.folder))
			if err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			return entry{content: [32]byte{1}, result: r}
		})
		apart.Said = nil
		together, err := p.receive(Evaluate(p, tree.folder))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(together, apart); diff != "" {
			t.Errorf("%s\n%s\n(-together +apart) %s", files["cluster.cue"].Data, text, diff)
		}
	})
}

// What is taken once is taken again: no field of the schema hangs on another.
func TestSchema_SaysOfEachFieldByItself(t *testing.T) {
	for _, f := range schemaInstance().Files {
		ast.Walk(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Comprehension:
				t.Errorf("%s: what is there only under a condition", n.Pos())
			case *ast.Ident:
				if _, isField := n.Node.(*ast.Field); isField && !strings.HasPrefix(n.Name, "#") {
					t.Errorf("%s: a reference to the field %s", n.Pos(), n.Name)
				}
			}
			return true
		}, nil)
	}
}
