package load_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// Every example loads without an error, and holds the workloads that it is about.
func TestExamples(t *testing.T) {
	const root = "../../examples"
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"batch":        "office/backup office/report office/schema office/web",
		"environments": "storefront/search storefront/web",
		"etcd":         "infra/etcd",
		"hello":        "hello/web",
		"java":         "greeter/web",
		"postgres":     "db/pg",
		"shop":         "infra/edge/mailer infra/edge/proxy storefront/search-de storefront/search-fr storefront/web",
	}
	environment := map[string]string{"environments": "prod"}
	got := map[string]string{}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		spec, err := load.Load(os.DirFS(root+"/"+e.Name()), schema.Revision{Commit: "c0ffee"}, load.WithGrants(schema.AllGrants()), load.WithEnvironment(environment[e.Name()]))
		if err != nil {
			t.Errorf("%s:\n%v", e.Name(), err)
		}
		got[e.Name()] = names(spec)
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("examples/%s: got %q, want %q", name, got[name], want[name])
		}
	}
}

func names(spec schema.Spec) string {
	list := make([]string, len(spec.Workloads))
	for i, w := range spec.Workloads {
		list[i] = w.Name
	}
	return strings.Join(list, " ")
}

// The JAR that is named is the one that is there.
func TestExamples_Java(t *testing.T) {
	spec, err := load.Load(os.DirFS("../../examples/java"), schema.Revision{})
	if err != nil {
		t.Fatal(err)
	}
	w := spec.Workloads[0]
	jar, err := os.ReadFile("../../examples/java/server/hello.jar")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(jar)); w.Artifact.SHA256 != sum {
		t.Errorf("the example wants %s, and hello.jar is %s", w.Artifact.SHA256, sum)
	}
	command, args := w.Program()
	want := "java -XX:MaxRAMPercentage=50 -XX:+UseSerialGC -jar /app/hello.jar Bayplan"
	if got := strings.Join(append(command, args...), " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The demo hangs on the details of this one.
func TestExamples_Hello(t *testing.T) {
	spec, err := load.Load(os.DirFS("../../examples/hello"), schema.Revision{})
	if err != nil {
		t.Fatal(err)
	}
	w := spec.Workloads[0]
	if diff := cmp.Diff(map[string]schema.Port{"http": {Container: 8080, Protocol: "tcp"}}, w.Ports); diff != "" {
		t.Error(diff)
	}
	if w.Replicas != 3 || w.Resources.CPU != 50 || w.Resources.Memory != 32<<20 || w.Update.MaxSurge != (schema.Amount{Count: 1}) {
		t.Errorf("got %+v", w)
	}
}
