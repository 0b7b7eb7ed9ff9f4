package testenv_test

import (
	"strings"
	"testing"
)

// The tests below show that the rules find what they forbid.

func TestArch_FindsImpureFiles(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"context":         {`import "context"`, "imports context"},
		"a package below": {`import "sync/atomic"`, "imports sync/atomic"},
		"rand v2":         {`import r "math/rand/v2"`, "imports math/rand/v2"},
		"http":            {`import _ "net/http"`, "imports net/http"},
		"logger":          {`import "log/slog"`, "imports log/slog"},
		"clock":           {"import \"time\"\nvar t = time.Now()", "time.Now"},
		"clock, as value": {"import \"time\"\nvar f = time.Since", "time.Since"},
		"renamed clock":   {"import tm \"time\"\nfunc f() { tm.Sleep(1) }", "time.Sleep"},
		"nameless clock":  {"import . \"time\"\nvar t = Now()", "without a name"},
		"goroutine":       {"func f() { go f() }", "starts a goroutine"},
		"nested":          {"func f() { func() { if true { go f() } }() }", "starts a goroutine"},
		"channel":         {"var c chan int", "has a channel"},
		"select":          {"func f() { select {} }", "waits on channels"},
		"not Go":          {"func", "expected"},
	} {
		faults := pureFaults("x.go", "package p\n"+c.src+"\n")
		if len(faults) == 0 || !strings.Contains(strings.Join(faults, "\n"), c.want) {
			t.Errorf("%s: found %q, want one with %q", name, faults, c.want)
		}
	}
}

func TestArch_PassesPureFiles(t *testing.T) {
	for name, src := range map[string]string{
		"times as values":   "import \"time\"\nfunc f(now time.Time) bool { return now.After(now.Add(time.Second)) }",
		"a variable's time": "import \"time\"\nvar _ time.Time\nfunc f() { var time struct{ Now func() }; time.Now() }",
		"names that begin":  `import _ "netip"; import _ "osx/a"; import _ "logic"`,
	} {
		if faults := pureFaults("x.go", "package p\n"+src+"\n"); len(faults) > 0 {
			t.Errorf("%s: %q", name, faults)
		}
	}
}

func TestArch_FindsForbiddenImports(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"schema", module + "/nodes", "schema may not import nodes"},
		{"nodes", module + "/scheduler", "nodes may not import scheduler"},
		{"scheduler", module + "/reconciler", "may not import reconciler"},
		{"reconciler", module + "/reconciler/status", "may not import reconciler/status"},
		{"nodes/agent", module + "/reconciler", "may not import reconciler"},
		{"nodes/roster", module + "/nodes/wire", "may not import nodes/wire"},
		{"reconciler/loop", module + "/reconciler/ledger", "may not import reconciler/ledger"},
		{"reconciler/loop", module + "/testenv/fake", "may not import testenv/fake"},
		{"cmd/bayplan", module + "/testenv/memory", "may not import testenv/memory"},
		{"nodes", "cuelang.org/go/cue", "only schema/load may"},
		{"reconciler", "go.etcd.io/etcd/client/v3", "only reconciler/ledger may"},
		{"nodes/agent", "github.com/moby/moby/client", "only nodes/docker"},
		{"reconciler/loop", "github.com/go-git/go-git/v5", "only reconciler/source may"},
		{"util", "fmt", "no row in the import table"},
	} {
		faults := importFaults(&pkg{ImportPath: module + "/" + c.from, Imports: []string{c.to}})
		if len(faults) == 0 || !strings.Contains(strings.Join(faults, "\n"), c.want) {
			t.Errorf("%s importing %s: found %q, want one with %q", c.from, c.to, faults, c.want)
		}
	}
	far := importFaults(&pkg{ImportPath: module + "/nodes/agent", Deps: []string{"fmt", "cuelang.org/go/cue"}})
	if len(far) != 1 || !strings.Contains(far[0], "brings in cuelang.org/go") {
		t.Errorf("a far import: %q", far)
	}
}

func TestArch_FindsUnfinished(t *testing.T) {
	faults := unfinished("a.go", "package a\n// TO"+"DO later\n")
	if len(faults) != 1 || !strings.HasPrefix(faults[0], "a.go:2:") {
		t.Errorf("found %q", faults)
	}
}
