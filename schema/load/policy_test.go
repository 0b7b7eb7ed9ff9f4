package load

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"pgregory.net/rapid"
)

// terms are of policies, and sayings of workloads, of which some contradict some.
var (
	terms = []string{
		`replicas?: >=2`, `replicas: >=2`, `replicas: *3 | >=2`, `replicas?: <=4`, `network?: "bridge"`, `pool: "a"`, `pool: *"a" | "default"`,
		`labels: owner: string`, `labels: owner: "ann"`, `labels: owner: *"x" | string`, `image: =~"^r/"`, `stop: grace: "10s"`, `stop?: grace: "10s"`,
		`kind: string, if kind == "service" {update: maxSurge: 1}`, `priority?: <=0`, `resources: limit: pids: <=1024`, `env?: [string]: !="secret"`,
	}
	sayings = []string{
		`replicas: 1`, `replicas: 3`, `replicas: *1 | int`, `pool: "a"`, `pool: "b"`, `labels: owner: "ann"`, `labels: other: "x"`, `env: A: "secret"`,
		`network: "host"`, `stop: grace: "10s"`, `stop: signal: "SIGINT"`, `resources: limit: pids: 5000`, `update: {maxSurge: 2}`, `priority: 3`,
	}
)

// What comes out of a policy meets it, with every default filled in, and says
// nothing else than what the team wrote.
func TestPolicy_HoldsForWhatComesOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule, text := some(t, "policy", terms, 1, 4), some(t, "workload", sayings, 0, 5)
		ctx := cuecontext.New()
		p := &policy{ctx: ctx, rule: ctx.CompileString("{" + rule + "}")}
		user := ctx.CompileString(`{kind: "service", image: "r/x"` + "\n" + text + "}")
		if p.rule.Validate() != nil || user.Validate(cue.Concrete(true)) != nil {
			t.Skip("they contradict themselves")
		}
		written, err := user.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		bare, err := decodeTree(written)
		if err != nil {
			t.Fatal(err)
		}
		r := rules().kinds["service"]
		v := p.hold(bare, r)
		if len(v.errs) > 0 {
			return
		}
		if again := p.met(v.data); len(again.errs) > 0 {
			t.Fatalf("what came out of\n%s\ndoes not meet it: %v", rule, again.errs)
		}
		if lost := missing(bare, v.data, ""); lost != "" {
			t.Fatalf("the policy\n%s\nchanged %s of what the team wrote", rule, lost)
		}
	})
}

func some(t *rapid.T, what string, of []string, least, most int) string {
	return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(of), least, most, rapid.ID).Draw(t, what), "\n")
}

// missing is a path of a that b does not have alike.
func missing(a, b any, path string) string {
	fields, ok := a.(map[string]any)
	if !ok {
		if fmt.Sprint(a) != fmt.Sprint(b) {
			return path
		}
		return ""
	}
	others, _ := b.(map[string]any)
	for name, v := range fields {
		if at := missing(v, others[name], path+"."+name); at != "" {
			return at
		}
	}
	return ""
}

// The result hangs on the bytes of the package and of the policy alone.
func TestPolicy_IsPure(t *testing.T) {
	files := fleet(20)
	files["cluster.cue"] = &fstest.MapFile{Data: []byte(`cluster: policy: {labels: tier: *"low" | "high", replicas: <=3}`)}
	first, err := Load(files, testRevision, unhurried())
	if err != nil {
		t.Fatal(err)
	}
	first.Seal()
	for range 3 {
		again, err := Load(files, testRevision, unhurried())
		if again.Seal(); err != nil || again.Hash != first.Hash {
			t.Fatalf("two loads of one tree differ: %v", err)
		}
	}
	if w := first.Workload("team-0/w-0"); w.Labels["tier"] != "low" {
		t.Errorf("the policy's label is missing: %v", w.Labels)
	}
}

func BenchmarkLoad_Policy(b *testing.B) {
	files := fleet(1000)
	files["cluster.cue"] = &fstest.MapFile{Data: []byte(`cluster: policy: {image: =~"^registry[.]example/", replicas?: <=10, labels: tier: *"low" | "high", network?: "bridge"}`)}
	benchmark(b, files)
}
