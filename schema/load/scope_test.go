package load

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// rootOfPolicy are the sources of a root file.
func rootOfPolicy(t interface{ Fatal(...any) }, text string) []source {
	src, errs := parseCUE(File{"cluster.cue", []byte(text)})
	if errs != nil {
		t.Fatal(errs)
	}
	return []source{src}
}

// What can look at more than it lists is met by everything.
func TestScopeOf(t *testing.T) {
	for text, want := range map[string][]string{
		`cluster: policy: {image: =~"x", "replicas"?: <3, ...}`:                   {"image", "replicas"},
		"cluster: policy: image: \"x\"\ncluster: {pools: {}, policy: kind: _}":    {"image", "kind"},
		"import \"list\"\nx: 3\ncluster: policy: replicas: <x & list.Max([1])":    {"replicas"},
		`cluster: policy: {kind: string, stop: {if kind == "x" {grace: "1s"}}}`:   {"kind", "stop"},
		`cluster: policy: {kind: string, if kind == "service" {network: "host"}}`: nil,
		`cluster: policy: [=~"^net"]: "bridge"`:                                   nil,
		`cluster: policy: X={labels: net: X.network}`:                             nil,
		`cluster: policy: X=labels: {}`:                                           nil,
		`cluster: policy: {let y = 1, image: "x"}`:                                nil,
		`cluster: policy: {image: "x", #P}, #P: {...}`:                            nil,
		`cluster: policy: #P, #P: image: "x"`:                                     nil,
		`cluster: policy: image: "x", cluster: #C, #C: {...}`:                     nil,
		`cluster: policy: labels: n: self.network`:                                nil,
		`cluster: {policy: image: "x", if true {policy: network: "host"}}`:        nil,
		`cluster: policy: image: "x", {cluster: policy: network: "host"}`:         nil,
		`cluster: policy: image: "x", (y): policy: network: "host", y: "cluster"`: nil,
	} {
		var got []string
		if scope := scopeOf(rootOfPolicy(t, text)); scope != nil {
			got = slices.Sorted(maps.Keys(scope))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// A policy makes the same of what it can look at as of all there is.
func TestScope_AsTheWhole(t *testing.T) {
	further := append([]string{`kind: string, stop: {if kind == "service" {grace: "10s"}}`, `kind: string, if kind == "service" {network: "host"}`,
		`[=~"^priority$"]: <3`, `let most = 3, replicas?: <=most`, `{labels: embedded: "yes"}`, `network?: "bridge" | "host"`, `...`}, terms...)
	rapid.Check(t, func(t *rapid.T) {
		rule, text := some(t, "policy", further, 1, 4), some(t, "workload", sayings, 0, 5)
		ctx := cuecontext.New()
		root := ctx.CompileString("cluster: policy: {" + rule + "}")
		whole := &policy{ctx: ctx, rule: root.LookupPath(policyPath)}
		part := &policy{ctx: ctx, rule: whole.rule, scope: scopeOf(rootOfPolicy(t, "cluster: policy: {"+rule+"}"))}
		user := ctx.CompileString(`{kind: "service", image: "r/x"` + "\n" + text + "}")
		if whole.rule.Err() != nil || user.Validate(cue.Concrete(true)) != nil {
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
		want, got := whole.hold(bare, r), part.hold(bare, r)
		if diff := cmp.Diff(plainly(want), plainly(got)); diff != "" {
			t.Errorf("%s\n%s\nscope %v\n(-whole +part) %s", rule, text, part.scope, diff)
		}
	})
}

// plainly is a verdict to be compared: what is refused is of no further use.
func plainly(v verdict) any {
	if len(v.errs) == 0 {
		text, err := json.Marshal(v.data)
		return []string{string(text), fmt.Sprint(err)}
	}
	var all []string
	for _, o := range v.errs {
		all = append(all, dotted(o.path)+": "+o.text)
	}
	slices.Sort(all)
	return all
}
