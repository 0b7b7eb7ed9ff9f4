package load

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bayplan/bayplan/schema"
)

func files(pairs ...string) fstest.MapFS {
	tree := fstest.MapFS{}
	for i := 0; i+1 < len(pairs); i += 2 {
		tree[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return tree
}

// theirs is an operators' repository with a policy that takes some of it from a
// package of its own module.
func theirs() fstest.MapFS {
	return files(
		"cue.mod/module.cue", `module: "ops.example/ops"`,
		"rules/rules.cue", "package rules\nregistry: =~\"^good/\"",
		"cluster.cue", `package ops
import "ops.example/ops/rules"
cluster: {
	pools: web: guarantee: cpu: 1
	owners: "shop/": quota: slots: 3
	policy: {image: rules.registry, labels: team: "ops"}
}`,
		"infra/dns.cue", "package infra\nworkloads: dns: {kind: \"service\", image: \"good/dns:1\"}")
}

const shopWeb = "package shop\nworkloads: web: {kind: \"service\", image: \"good/web:1\"}"

func loadBeside(t *testing.T, tree fstest.MapFS, opts ...Option) (schema.Spec, error) {
	t.Helper()
	return Load(tree, schema.Revision{Commit: "c0ffee"}, append([]Option{WithOperators(theirs(), "")}, opts...)...)
}

// What the operators ask of every team holds for those of another repository, in
// which there may be no such part.
func TestLoad_HeldToTheOperatorsOfAnotherRepository(t *testing.T) {
	spec, err := loadBeside(t, files("shop/web.cue", shopWeb))
	if err != nil || len(spec.Workloads) != 1 || spec.Workloads[0].Labels["team"] != "ops" {
		t.Fatalf("got %+v, %v", spec, err)
	}
	if len(spec.Teams) != 1 || len(spec.Pools) != 1 || len(spec.Owners) != 1 {
		t.Errorf("got teams %v, pools %v, owners %v", spec.Teams, spec.Pools, spec.Owners)
	}
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"policy": {files("shop/web.cue", strings.Replace(shopWeb, "good", "bad", 1)), "shop/web.cue:2:35: workloads.web.image: the cluster's policy (@operators/cluster.cue:6:11) wants"},
		"pool":   {files("shop/web.cue", shopWeb+"\nworkloads: web: pool: \"wed\""), `there is no pool "wed", did you mean "web"?`},
		"quota":  {files("shop/web.cue", shopWeb+"\nworkloads: web: replicas: 4"), "(the cluster's owners, @operators/cluster.cue:"},
		"a cluster of its own": {files("shop/web.cue", shopWeb, "cluster.cue", "cluster: policy: {}"),
			"cluster.cue:1:1: cluster: the cluster is described in the operators' repository alone, and this is another one"},
		"workloads at the root": {files("shop/web.cue", shopWeb, "all.yaml", "workloads: {}"), "the root holds no workloads"},
		"who passes for the operators": {files("shop/web.cue", strings.Replace(shopWeb, "good", "bad", 1),
			"@operators/cluster.cue", "cluster: policy: {}", "@operators/rules/rules.cue", "package rules\nregistry: string", "@operators/rules/more.cue", "package rules\nregistry: string"), "the cluster's policy"},
	} {
		_, err := loadBeside(t, c.tree)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v\nwant %s", name, err, c.want)
		}
	}
}

// A root that is wrong beside its teams keeps none of them.
func TestLoad_GuestsRootKeepsNoTeam(t *testing.T) {
	spec, err := loadBeside(t, files("shop/web.cue", shopWeb, "cluster.cue", "cluster: policy: {}"))
	if err == nil || len(spec.Workloads) != 1 {
		t.Errorf("got %+v, %v", spec, err)
	}
	if _, err := loadBeside(t, fstest.MapFS{"README": {}}); err != ErrEmpty {
		t.Errorf("of nothing but the operators' part: %v", err)
	}
}

// A policy that cannot be read keeps everyone, as it does at home.
func TestLoad_OperatorsPartBroken(t *testing.T) {
	broken := theirs()
	broken["cluster.cue"] = &fstest.MapFile{Data: []byte("cluster: {")}
	spec, err := Load(files("shop/web.cue", shopWeb), schema.Revision{Commit: "c0ffee"}, WithOperators(broken, ""))
	if err == nil || !strings.Contains(err.Error(), "held back, since the cluster's policy cannot be read: see @operators/cluster.cue:1") || len(spec.Workloads) > 0 {
		t.Errorf("got %+v, %v", spec, err)
	}
	if len(spec.Teams) != 1 || spec.Teams[0].Name != "shop" {
		t.Errorf("whose errors: %v", spec.Teams)
	}
}

// An operators' tree with environments has its part in one of them.
func TestLoad_OperatorsEnvironment(t *testing.T) {
	envs := files("envs/prod/cluster.cue", `cluster: policy: labels: env: "prod"`, "envs/test/cluster.cue", `cluster: policy: labels: env: "test"`)
	spec, err := Load(files("shop/web.cue", shopWeb), schema.Revision{Commit: "c0ffee"}, WithOperators(envs, "prod"))
	if err != nil || spec.Workloads[0].Labels["env"] != "prod" {
		t.Errorf("got %+v, %v", spec, err)
	}
}

// What is remembered of a team is so for as long as the policy is the same, also of
// one that the policy imports.
func TestCache_ForgetsWithTheOperatorsPolicy(t *testing.T) {
	cache, ops, tree := new(Cache), theirs(), files("shop/web.cue", shopWeb)
	load := func() error {
		_, err := Load(tree, schema.Revision{Commit: "c0ffee"}, WithCache(cache), WithOperators(ops, ""))
		return err
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	ops["rules/rules.cue"] = &fstest.MapFile{Data: []byte("package rules\nregistry: =~\"^better/\"")}
	if err := load(); err == nil || !strings.Contains(err.Error(), "the cluster's policy") {
		t.Errorf("under another policy: %v", err)
	}
	ops["rules/rules.cue"] = theirs()["rules/rules.cue"]
	if err := load(); err != nil {
		t.Error(err)
	}
}

// What another process answers about a guest is believed as little.
func TestReceive_GuestsSpeakForNobody(t *testing.T) {
	p := Package{Dir: ".", Root: ".", Operators: Operators{Mount: operatorsMount, Root: operatorsMount}, Limits: Limits{}.withDefaults()}
	if _, err := p.receive([]byte(`{"Pools":[{"name":"web"}]}`)); err == nil || !strings.Contains(err.Error(), "speaks for the cluster") {
		t.Errorf("got %v", err)
	}
	if _, err := (Package{Dir: operatorsMount, Root: ".", Operators: p.Operators, Limits: p.Limits}).receive([]byte(`{"Policy":true}`)); err != nil {
		t.Error(err)
	}
}
