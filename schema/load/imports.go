package load

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// moduleName reads the module's path out of cue.mod/module.cue of the repository
// that appears in the folder at; "" if that is no module and so has nothing to import
// from itself.
func moduleName(read folders, at string) string {
	for _, f := range read(path.Join(at, "cue.mod")).Files {
		if f.Name != path.Join(at, "cue.mod/module.cue") {
			continue
		}
		syntax, err := parser.ParseFile(f.Name, f.Data)
		if err != nil {
			return ""
		}
		return moduleField(syntax)
	}
	return ""
}

func moduleField(f *ast.File) string {
	for _, d := range f.Decls {
		field, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		name, _, err := ast.LabelName(field.Label)
		lit, ok := field.Value.(*ast.BasicLit)
		if err != nil || name != "module" || !ok {
			continue
		}
		s, _ := literal.Unquote(lit.Value)
		s, _, _ = strings.Cut(s, "@")
		return s
	}
	return ""
}

// importer resolves imports for one evaluation, inside the tree alone.
type importer struct {
	folders folders
	module  string
	// at is the folder that the repository appears in; "" is the top.
	at  string
	ctx *build.Context
	// done holds instances by directory and package name, nil for a broken
	// one; busy are those whose own imports are being resolved.
	done map[string]*build.Instance
	busy map[string]bool
	errs []*Error
	// schema is the embedded one, for this importer and its context alone: CUE
	// notes on an instance how it was imported.
	schema *build.Instance
}

func newImporter(read folders, module, at string) *importer {
	im := &importer{folders: read, module: module, at: at, done: map[string]*build.Instance{}, busy: map[string]bool{}}
	own := *schemaInstance()
	im.schema = &own
	im.ctx = build.NewContext(build.Loader(im.load))
	return im
}

// load answers one import; nil leaves the path to CUE's standard library.
func (im *importer) load(pos token.Pos, importPath string) *build.Instance {
	if importPath == schemaPath {
		return im.schema
	}
	dir, pkg := im.resolve(importPath)
	if dir == "" {
		if first, _, _ := strings.Cut(importPath, "/"); strings.Contains(first, ".") {
			im.fail(pos, "there is no package %q in this repository%s, and nothing else is fetched", importPath, im.moduleHint())
		}
		return nil
	}
	key := dir + ":" + pkg
	if im.busy[key] {
		im.fail(pos, "package %q imports itself in a circle", importPath)
		return nil
	}
	if inst, ok := im.done[key]; ok {
		return inst
	}
	im.busy[key] = true
	im.done[key] = im.imported(pos, dir, pkg, importPath)
	im.busy[key] = false
	return im.done[key]
}

func (im *importer) moduleHint() string {
	if im.module == "" {
		return " (which has no cue.mod/module.cue)"
	}
	return fmt.Sprintf(" (whose module is %q)", im.module)
}

// resolve splits "module/dir[@vN][:name]" into a directory of the tree and the
// package's name; "" is no directory with CUE files.
func (im *importer) resolve(importPath string) (dir, pkg string) {
	p, pkg, _ := strings.Cut(importPath, ":")
	p, _, _ = strings.Cut(p, "@")
	if pkg == "" {
		pkg = path.Base(p)
	}
	vendor := "cue.mod/pkg/" + p
	inside, isOurs := strings.CutPrefix(p+"/", im.module+"/")
	candidates := []string{vendor}
	if im.module != "" && isOurs {
		candidates = []string{path.Clean(inside), vendor}
	}
	i := slices.IndexFunc(candidates, func(d string) bool { return fs.ValidPath(d) && hasCUE(im.folders(path.Join(im.at, d)).Files) })
	if i < 0 {
		return "", ""
	}
	return path.Join(im.at, candidates[i]), pkg
}

func hasCUE(files []File) bool {
	return slices.ContainsFunc(files, func(f File) bool { return ext(f.Name) == ".cue" })
}

// imported builds a package out of the CUE files that bear its name.
func (im *importer) imported(pos token.Pos, dir, pkg, importPath string) *build.Instance {
	found := im.folders(dir)
	if bad := found.refusedCUE(dir); bad != nil {
		im.fail(pos, "package %q cannot be imported: %s", importPath, bad)
		return nil
	}
	var sources []source
	for _, f := range found.Files {
		if ext(f.Name) != ".cue" {
			continue
		}
		src, errs := parseCUE(f)
		im.errs = append(im.errs, errs...)
		if errs == nil && src.syntax != nil && src.syntax.PackageName() == pkg {
			sources = append(sources, src)
		}
	}
	if len(im.errs) > 0 {
		return nil
	}
	if len(sources) == 0 {
		im.fail(pos, "no file in %s says \"package %s\", which import %q wants", dir, pkg, importPath)
		return nil
	}
	return im.build(dir, sources)
}

// refusedCUE is why the CUE files of a directory are not all there; nil if they
// are.
func (f *Folder) refusedCUE(dir string) *Error {
	for _, e := range f.Refused {
		if e.File == dir || ext(e.File) == ".cue" {
			return e
		}
	}
	return nil
}

// build puts files together and resolves their imports; nil after an error,
// which is then in errs.
func (im *importer) build(dir string, sources []source) *build.Instance {
	inst := im.ctx.NewInstance(dir, nil)
	for _, src := range sources {
		inst.AddSyntax(src.syntax)
	}
	if err := inst.Complete(); err != nil && len(im.errs) == 0 {
		im.errs = append(im.errs, plainErrors(dir, err)...)
	}
	if len(im.errs) > 0 {
		return nil
	}
	return inst
}

func (im *importer) fail(pos token.Pos, format string, args ...any) {
	im.errs = append(im.errs, at(pos, "", "", fmt.Sprintf(format, args...)))
}
