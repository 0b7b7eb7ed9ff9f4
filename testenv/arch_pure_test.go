package testenv_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// pure are the packages that decide: no clock, context, lock, goroutine,
// randomness, I/O or logger.
var pure = []string{"schema", "nodes", "nodes/dialogue", "scheduler", "reconciler", "reconciler/status"}

// pureFiles are the files of p that must be pure. Of the agent they are those
// of its Step.
func pureFiles(p *pkg) []string {
	if slices.Contains(pure, p.path()) {
		return p.GoFiles
	}
	if p.path() != "nodes/agent" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.GoFiles), func(name string) bool { return !strings.HasPrefix(name, "step") })
}

// bannedImports stand for themselves and all packages below them.
var bannedImports = []string{"context", "os", "net", "sync", "math/rand", "crypto/rand", "log", "syscall", "runtime", "unsafe", "io/ioutil"}

// clockCalls are what package time has that reads or waits for the clock.
var clockCalls = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}

// purity walks one file.
type purity struct {
	set    *token.FileSet
	clock  map[string]bool // names under which package time is imported
	faults []string
}

func (v *purity) file(f *ast.File) {
	for _, i := range f.Imports {
		v.imported(i)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v.node(n)
		return true
	})
}

func (v *purity) imported(i *ast.ImportSpec) {
	path, _ := strconv.Unquote(i.Path.Value)
	for _, b := range bannedImports {
		if below(path, b) {
			v.fault(i, "imports %s", path)
		}
	}
	if path != "time" {
		return
	}
	name := "time"
	if i.Name != nil {
		name = i.Name.Name
	}
	if name == "." {
		v.fault(i, "imports time without a name")
	}
	v.clock[name] = true
}

func (v *purity) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		v.fault(n, "starts a goroutine")
	case *ast.SelectStmt:
		v.fault(n, "waits on channels")
	case *ast.ChanType:
		v.fault(n, "has a channel")
	case *ast.SelectorExpr:
		x, ok := n.X.(*ast.Ident)
		if ok && x.Obj == nil && v.clock[x.Name] && slices.Contains(clockCalls, n.Sel.Name) {
			v.fault(n, "reads the clock: time.%s", n.Sel.Name)
		}
	}
}

func (v *purity) fault(n ast.Node, format string, args ...any) {
	v.faults = append(v.faults, v.set.Position(n.Pos()).String()+": a pure package "+fmt.Sprintf(format, args...))
}
