package testenv_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bayplan/bayplan"

// mayImport is the table of who may import whom: which packages of the module each one
// may import, outside tests. A name that ends in "/..." is a package and all
// below it; the first row that fits a package counts. cmd is the assembler: the
// one place that may join shells.
var mayImport = []struct {
	from string
	to   []string
}{
	{"schema", nil},
	{"schema/load", []string{"schema"}},
	{"nodes", []string{"schema"}},
	{"nodes/agent", []string{"schema", "nodes"}},
	{"nodes/agent/runtimetest/...", []string{"schema", "nodes", "nodes/agent/..."}},
	{"nodes/dialogue", []string{"schema", "nodes"}},
	{"nodes/wire/wirepb/...", []string{"nodes/wire/wirepb"}},
	{"nodes/wire", []string{"schema", "nodes", "nodes/agent", "nodes/dialogue", "nodes/wire/..."}},
	// The monitor is a small program of its own: what its parts know of the rest
	// is the bundle.
	{"nodes/native/bundle", nil},
	{"nodes/native/logs", []string{"nodes/native/bundle"}},
	{"nodes/native/cgroup", nil},
	{"nodes/native/seccomp", nil},
	{"nodes/native/monitor/...", []string{"nodes/native/..."}},
	{"nodes/native/...", []string{"schema", "nodes", "nodes/agent", "nodes/registries", "nodes/native/..."}},
	// Server and nodes reach registries by the same ways.
	{"nodes/registries", []string{"schema"}},
	{"nodes/...", []string{"schema", "nodes", "nodes/agent"}},
	{"scheduler", []string{"schema", "nodes"}},
	{"reconciler", []string{"schema", "nodes", "scheduler"}},
	{"reconciler/status", []string{"schema", "nodes", "reconciler"}},
	{"reconciler/source", []string{"schema", "reconciler/source/internal/..."}},
	{"reconciler/source/internal/...", nil},
	{"reconciler/evaluate", []string{"schema", "schema/load"}},
	{"reconciler/registry", []string{"schema", "nodes", "nodes/registries"}},
	{"reconciler/forge", []string{"schema", "nodes", "reconciler", "reconciler/status"}},
	{"reconciler/ledger", []string{"schema", "nodes", "scheduler", "reconciler", "reconciler/status"}},
	{"reconciler/loop", []string{"schema", "nodes", "scheduler", "reconciler", "reconciler/status", "reconciler/source"}},
	{"reconciler/serve/controlpb/...", []string{"reconciler/serve/controlpb"}},
	// serve joins a user's terminal to an agent's: it speaks the agent's words.
	{"reconciler/serve", []string{"schema", "nodes", "nodes/agent", "reconciler", "reconciler/status", "reconciler/serve/..."}},
	{"examples/...", nil},
	{"testenv/...", []string{"schema/...", "nodes/...", "scheduler", "reconciler/...", "testenv/...", "examples/..."}},
	{"cmd/bayplan/...", []string{"schema/...", "nodes/...", "scheduler", "reconciler/...", "examples/...", "cmd/bayplan/internal/..."}},
}

// onlyIn are the heavy guests and the package that each stays behind.
var onlyIn = []struct {
	module string
	homes  []string
}{
	{"cuelang.org/go", []string{"schema/load"}},
	{"github.com/go-git", []string{"reconciler/source"}},
	{"github.com/fsnotify", []string{"reconciler/source", "nodes/native"}},
	{"go.etcd.io", []string{"reconciler/ledger"}},
	// doctor and dev ask the engine of their own machine about itself; testenv
	// asks it what really runs, past the code under test.
	{"github.com/moby/moby", []string{"nodes/docker", "cmd/bayplan/...", "testenv/..."}},
	{"github.com/opencontainers/runc", []string{"nodes/native/monitor"}},
	{"github.com/containerd/containerd", []string{"nodes/native/images"}},
	{"github.com/vishvananda/netlink", []string{"nodes/native/bridge"}},
	{"github.com/google/nftables", []string{"nodes/native/bridge"}},
	{"github.com/google/go-containerregistry", []string{"nodes/docker", "nodes/native/images", "nodes/registries", "reconciler/registry", "cmd/bayplan/internal/demo/...", "testenv/..."}},
}

// withoutIn are packages whose whole import graph keeps a module out: what runs
// on a node carries no part of the server's.
var withoutIn = []struct{ from, module string }{
	{"nodes/agent", "cuelang.org/go"}, {"nodes/agent", "github.com/go-git"}, {"nodes/agent", "go.etcd.io"},
	{"nodes/wire", "cuelang.org/go"}, {"nodes/wire", "github.com/go-git"}, {"nodes/wire", "go.etcd.io"},
	{"nodes/docker", "cuelang.org/go"}, {"nodes/docker", "github.com/go-git"}, {"nodes/docker", "go.etcd.io"},
	{"nodes/native", "cuelang.org/go"}, {"nodes/native", "github.com/go-git"}, {"nodes/native", "go.etcd.io"},
	{"nodes/native", "github.com/opencontainers/runc"}, {"nodes/native/monitor", "github.com/google/go-containerregistry"},
	{"nodes/native/monitor", "google.golang.org/protobuf"}, {"nodes/native/monitor", module + "/schema"},
	{"reconciler", "cuelang.org/go"}, {"reconciler", "github.com/go-git"}, {"reconciler", "go.etcd.io"},
	{"reconciler/status", "cuelang.org/go"}, {"reconciler/status", "google.golang.org/protobuf"},
	{"nodes/agent", module + "/reconciler"}, {"nodes/wire", module + "/reconciler"}, {"nodes/docker", module + "/reconciler"},
}

// topLevel are the folders of the house; bin and dist are what make builds.
var topLevel = []string{"cmd", "reconciler", "schema", "nodes", "scheduler", "examples", "testenv", "bin", "dist"}

// pkg is what go list tells about a package.
type pkg struct {
	ImportPath, Dir, Doc, Name     string
	GoFiles, CgoFiles, TestGoFiles []string
	XTestGoFiles                   []string
	Imports, Deps                  []string
}

// path is the package's folder from the root.
func (p *pkg) path() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

func TestArch_Imports(t *testing.T) {
	for _, p := range packages(t) {
		report(t, importFaults(&p))
	}
}

func TestArch_Pure(t *testing.T) {
	found := 0
	for _, p := range packages(t) {
		for _, name := range pureFiles(&p) {
			found++
			report(t, pureFaults(filepath.Join(p.Dir, name), nil))
		}
	}
	if found < 20 {
		t.Errorf("only %d files were looked at: the list of pure packages is out of date", found)
	}
}

func TestArch_Docs(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 && p.path() != "" && !strings.HasSuffix(p.Name, "pb") && !strings.HasSuffix(p.Name, "connect") {
			t.Errorf("package %s has no doc comment", p.path())
		}
	}
}

func TestArch_Unfinished(t *testing.T) {
	for _, p := range packages(t) {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			file := filepath.Join(p.Dir, name)
			text, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // gone since the list was made
				t.Fatal(err)
			}
			report(t, unfinished(file, string(text)))
		}
	}
}

func TestArch_TopLevel(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("folder %s at the top: the top level is fixed", e.Name())
		}
	}
}

func report(t *testing.T, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Error(f)
	}
}

// packages are all of the module but the root, which holds none.
func packages(t *testing.T) (all []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Name,GoFiles,TestGoFiles,XTestGoFiles,Imports,Deps", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if p.path() != "" {
			all = append(all, p)
		}
	}
}

// importFaults are the imports of p that the tables forbid.
func importFaults(p *pkg) (faults []string) {
	row := slices.IndexFunc(mayImport, func(r struct {
		from string
		to   []string
	}) bool {
		return fits(r.from, p.path())
	})
	if row < 0 {
		return []string{fmt.Sprintf("package %s has no row in the import table", p.path())}
	}
	for _, i := range p.Imports {
		own, inside := strings.CutPrefix(i, module+"/")
		if inside && !fitsAny(mayImport[row].to, own) {
			faults = append(faults, fmt.Sprintf("%s may not import %s", p.path(), own))
		}
		for _, o := range onlyIn {
			if below(i, o.module) && !fitsAny(o.homes, p.path()) {
				faults = append(faults, fmt.Sprintf("%s may not import %s: only %s may", p.path(), i, strings.Join(o.homes, " and ")))
			}
		}
	}
	for _, w := range withoutIn {
		if w.from == p.path() && slices.ContainsFunc(p.Deps, func(d string) bool { return below(d, w.module) }) {
			faults = append(faults, fmt.Sprintf("%s brings in %s by what it imports", p.path(), w.module))
		}
	}
	return faults
}

// fits is whether a row's name stands for the package.
func fits(name, path string) bool {
	if tree, ok := strings.CutSuffix(name, "/..."); ok {
		return below(path, tree)
	}
	return name == path
}

func fitsAny(names []string, path string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return fits(n, path) })
}

func below(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }

// unfinished finds marks of work left over. The marks are put together here so
// that this file has none.
func unfinished(file, text string) (faults []string) {
	for _, mark := range []string{"TO" + "DO", "FIX" + "ME"} {
		if i := strings.Index(text, mark); i >= 0 {
			faults = append(faults, fmt.Sprintf("%s:%d: %s", file, 1+strings.Count(text[:i], "\n"), mark))
		}
	}
	return faults
}

// pureFaults is what a file of a pure package does that it must not; src is its
// text, or nil to read the file.
func pureFaults(file string, src any) []string {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, src, 0)
	if errors.Is(err, os.ErrNotExist) { // gone since the list was made
		return nil
	}
	if err != nil {
		return []string{err.Error()}
	}
	v := purity{set: set, clock: map[string]bool{}}
	v.file(f)
	return v.faults
}
