package load

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
)

// Operators says where the operators' part is that holds for a tree which has none
// of its own, since it is another repository's. The zero value is in the tree itself.
type Operators struct {
	// Mount is the folder that their tree appears in, Root their part's inside, by its
	// path from the top.
	Mount, Root string
	// Module is what their files import each other by.
	Module string
}

// operatorsMount cannot be a team's folder.
const operatorsMount = "@operators"

// WithOperators has a tree held to the operators' part of another repository, and
// of an environment in that; it may have no such part itself.
func WithOperators(files fs.FS, env string) Option {
	return func(o *options) { o.operators, o.operatorsEnv = files, env }
}

// AsGuest is WithOperators, and WithEnvironment where the tree has one of that name.
func AsGuest(tree, operators fs.FS, env string) Option {
	return func(o *options) {
		WithOperators(operators, env)(o)
		if slices.Contains(Environments(tree), env) {
			o.env = env
		}
	}
}

// operatorsRoot is the folder of the operators' part, which is a package.
func (p Package) operatorsRoot() string {
	if p.Operators.Mount == "" {
		return p.Root
	}
	return p.Operators.Root
}

// mounted is a file system with another one in a folder of it.
type mounted struct {
	fs.FS
	other fs.FS
}

func (m mounted) under(name string) (fs.FS, string) {
	if name == operatorsMount {
		return m.other, "."
	}
	if rest, ok := strings.CutPrefix(name, operatorsMount+"/"); ok {
		return m.other, rest
	}
	return m.FS, name
}

// Open opens a file of either.
func (m mounted) Open(name string) (fs.File, error) {
	files, name := m.under(name)
	return files.Open(name)
}

// ReadDir does not list the folder in which the other one is.
func (m mounted) ReadDir(name string) ([]fs.DirEntry, error) {
	files, name := m.under(name)
	return fs.ReadDir(files, name)
}

// Stat is a file's of either.
func (m mounted) Stat(name string) (fs.FileInfo, error) {
	files, name := m.under(name)
	return fs.Stat(files, name)
}

// mount puts the operators' tree beside the one that is read. Its folders are there
// to be imported by it alone; one is a package, the operators' part.
func (t *tree) mount(files fs.FS, env string, former *scan) error {
	ours := func(dir string) bool { return dir == operatorsMount || strings.HasPrefix(dir, operatorsMount+"/") }
	maps.DeleteFunc(t.folders, func(dir string, _ *listing) bool { return ours(dir) }) // nobody passes for the operators
	t.packages = slices.DeleteFunc(t.packages, ours)
	t.fsys = mounted{t.fsys, files}
	at, err := t.scan(operatorsMount, rootID(files), former)
	if err != nil {
		return fmt.Errorf("the operators' repository: %w", err)
	}
	t.beside, t.operators = at, Operators{Mount: operatorsMount, Root: path.Join(operatorsMount, rootOf(env))}
	at.each(func(l *listing) { t.folders[l.dir] = l })
	t.operators.Module = moduleName(t.folder, operatorsMount)
	if t.folders[t.operators.Root] != nil {
		t.packages = append([]string{t.operators.Root}, t.packages...)
	}
	return nil
}

// operatorsRoot is the package of the operators' part.
func (t *tree) operatorsRoot() string {
	return Package{Root: t.root, Operators: t.operators}.operatorsRoot()
}

// guest checks the root of a repository that has its operators' part elsewhere.
func (e *evaluation) guest() {
	own := e.folders(e.dir)
	sources, errs := parseAll(e.dir, own.Files)
	e.out.Errors = append(errs, own.Refused...)
	for _, src := range rootSources(sources) {
		e.out.Team = true
		e.rootLevel(src)
		for _, f := range topFields(src.syntax) {
			if name, _, _ := ast.LabelName(f.Label); name == "cluster" {
				bad := at(f.Label.Pos(), src.name, name, "the cluster is described in the operators' repository alone, and this is another one")
				bad.Next = "take it out here; what all teams need is up to the operators"
				e.fail(bad)
			}
		}
	}
}
