package load

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/token"

	"github.com/bayplan/bayplan/schema"
)

// result is what one package came to. It is plain data, since it travels as JSON
// from the process that evaluates and is kept on disk: a field that is not
// exported, or is a value of CUE's, would be lost on the way. What comes back is
// looked at by [result.check].
type result struct {
	// Team tells that the package speaks of workloads, well or badly; a
	// package that others import need not.
	Team bool
	// Workloads are those of a package without errors, as are the fields below.
	Workloads []schema.Workload
	Pools     []schema.Pool // of the root
	// Registries are of the root, too.
	Registries []schema.Registry
	// Owners are of the root, too, and OwnersAt says where each stands.
	Owners   []schema.Owner
	OwnersAt []spot
	Gates    schema.Gates // of the root
	Errors   []*Error
	// Belongs says where workloads name their pools, which only the root has; one
	// for each of Workloads.
	Belongs []belonging
	// Waits says where workloads name what comes before them, of any team.
	Waits []waiting
	// Said is what each of Workloads says itself, if Package.Bare asks for it.
	Said []Statement `json:",omitempty"`
	// Objected tells, of what was judged apart, that the policy has something
	// against it: what that is, and where, another evaluation tells. Otherwise
	// Workloads are those alone to which the policy adds something.
	Objected bool `json:",omitempty"`
	// Policy tells, for the root, that there is one; Broken, that nobody can
	// tell, and then no team may be applied past it.
	Policy, Broken bool
}

// evaluation is the work on one package, in a context of its own.
type evaluation struct {
	limits  Limits
	folders folders
	dir     string
	// root is the folder whose path below is a team's name, and where the operators'
	// part is, if that is not another repository's.
	root      string
	operators Operators
	policy    bool
	bare      bool
	im        *importer
	ctx       *cue.Context
	out       result
}

// evaluate is the whole way from one package's files to its workloads. All that
// it reads it asks folders for.
func evaluate(p Package, read folders) result {
	return guarded(p, read, func(e *evaluation) {
		e.policy, e.bare, e.im, e.ctx = p.Policy, p.Bare, newImporter(read, p.Module, ""), cuecontext.New()
		switch {
		case p.Judge != nil:
			e.judgeApart(p.Judge)
		case p.Dir == p.operatorsRoot():
			e.im = e.operatorsImporter(p.Module)
			e.cluster()
		case p.Dir == p.Root:
			e.guest()
		default:
			e.team()
		}
	})
}

// guarded never panics: what a package does to CUE stays its own affair (I27).
func guarded(p Package, read folders, work func(*evaluation)) (out result) {
	defer func() {
		if cause := recover(); cause != nil {
			out = p.failed(fmt.Sprintf("evaluating the package broke off: %v", cause), nextValidate)
		}
	}()
	e := &evaluation{limits: p.Limits, folders: read, dir: p.Dir, root: p.Root, operators: p.Operators}
	work(e)
	for _, bad := range e.out.Errors {
		bad.Team = p.team()
	}
	e.out.Errors = bounded(tidy(e.out.Errors))
	if len(e.out.Errors) > 0 {
		e.out = result{Team: e.out.Team, Errors: e.out.Errors, Policy: e.out.Policy, Broken: e.out.Broken,
			Owners: e.out.Owners, OwnersAt: e.out.OwnersAt} // which hold whatever else is wrong beside them
	}
	return e.out
}

// failed is the result of a package that was not evaluated to its end.
func (p Package) failed(message, next string) result {
	return result{Team: true, Broken: true, Errors: []*Error{{Team: p.team(), File: p.Dir, Message: message, Next: next}}}
}

func (e *evaluation) team() {
	e.out.Team = true
	own := e.folders(e.dir)
	sources, errs := parseAll(e.dir, own.Files)
	e.out.Errors = append(errs, own.Refused...)
	broken := len(e.out.Errors) > 0
	e.names()
	for _, src := range sources {
		e.topLevel(src)
	}
	if broken {
		return
	}
	value, ok := e.build(e.dir, sources)
	if !ok {
		return
	}
	all := value.LookupPath(workloadsPath)
	e.out.Team = all.Exists() || value.Err() != nil
	e.workloads(all, declared(sources))
	e.remaining(value)
}

var workloadsPath = cue.ParsePath("workloads")

// names checks the folders that make up the team's name, which becomes part of
// the names of containers.
func (e *evaluation) names() {
	for folder := range strings.SplitSeq(teamUnder(e.root, e.dir), "/") {
		if !schema.ValidName(folder) {
			e.fail(&Error{File: e.dir, Message: fmt.Sprintf("folder %q: %s", folder, schema.NameRule),
				Next: "rename it, or begin it with _ if it holds no workloads"})
		}
	}
}

func (e *evaluation) fail(err *Error) { e.out.Errors = append(e.out.Errors, err) }

// topLevel looks for slips that would make workloads vanish: a file may hold
// whatever helps it, yet nothing that looks like workloads and is not.
func (e *evaluation) topLevel(src source) {
	fields := topFields(src.syntax)
	if i := slices.IndexFunc(fields, isManifest); src.data && i >= 0 {
		fields = fields[i : i+1] // one word is enough about a file of another tool
	}
	for _, f := range fields {
		name, _, _ := ast.LabelName(f.Label)
		switch {
		case name == "workloads":
		case name == "cluster":
			e.fail(at(f.Label.Pos(), src.name, name, "the cluster is described in the root package alone"))
		case src.data:
			e.fail(foreign(src.name, name, f.Label.Pos()))
		case nearest(name, []string{"workloads"}) != "":
			e.fail(at(f.Label.Pos(), src.name, name, unknownField(name, []string{"workloads"})))
		}
	}
}

// isManifest tells the field by which a manifest of Kubernetes or Compose is known.
func isManifest(f *ast.Field) bool {
	name, _, _ := ast.LabelName(f.Label)
	return name == "apiVersion" || name == "services"
}

// foreign is the error about a data file that seems to be for something else.
func foreign(file, field string, pos token.Pos) *Error {
	bad := at(pos, file, field, unknownField(field, []string{"workloads"}))
	if !strings.Contains(bad.Message, "did you mean") {
		bad.Next = "keep files that hold no workloads in a folder that begins with _"
	}
	return bad
}

// topFields are the regular fields of a file: no definitions, nothing hidden.
func topFields(f *ast.File) (fields []*ast.Field) {
	for _, d := range f.Decls {
		field, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		name, isIdent, err := ast.LabelName(field.Label)
		if err == nil && !(isIdent && strings.HasPrefix(strings.TrimPrefix(name, "_"), "#")) && !(isIdent && strings.HasPrefix(name, "_")) {
			fields = append(fields, field)
		}
	}
	return fields
}

// build makes one value of parsed files; false after an error.
func (e *evaluation) build(dir string, sources []source) (cue.Value, bool) {
	inst := e.im.build(dir, sources)
	if inst == nil {
		e.out.Errors = append(e.out.Errors, e.im.errs...)
		return cue.Value{}, false
	}
	value := e.ctx.BuildInstance(inst)
	if err := value.Err(); err != nil && inst.Err != nil {
		e.out.Errors = append(e.out.Errors, plainErrors(dir, err)...)
		return cue.Value{}, false
	}
	return value, true
}

// workloads evaluates each one by itself, so that none hides another's errors.
func (e *evaluation) workloads(all cue.Value, declared map[string]string) {
	if !all.Exists() {
		return
	}
	it, err := all.Fields()
	if err != nil {
		e.fail(at(all.Pos(), e.dir, "workloads", "want workloads by name, got "+got(all)))
		return
	}
	policy, ok := e.openPolicy()
	if !ok {
		return
	}
	kinds := e.kinds()
	for it.Next() {
		if len(e.out.Workloads) == e.limits.PackageWorkloads {
			e.fail(at(it.Value().Pos(), e.dir, "workloads", fmt.Sprintf("a package may hold %d workloads at most", e.limits.PackageWorkloads)))
			return
		}
		c := candidate{under: []string{"workloads"}, name: it.Selector().Unquoted(), team: teamUnder(e.root, e.dir), dir: e.dir, user: it.Value(), policy: policy, limits: e.limits, bare: e.bare}
		c.declared = declared[c.name]
		w, errs := c.judge(kinds)
		e.out.Errors = append(e.out.Errors, errs...)
		e.out.Workloads = append(e.out.Workloads, w)
		e.out.Belongs = append(e.out.Belongs, c.belongs(&w))
		e.out.Waits = append(e.out.Waits, c.waits(&w)...)
		if e.bare {
			e.out.Said = append(e.out.Said, Statement{c.name, w.Kind, c.said})
		}
	}
}

// kinds are the schema's definitions, once they are needed.
func (e *evaluation) kinds() func() cue.Value {
	return sync.OnceValue(func() cue.Value { return e.ctx.BuildInstance(e.im.schema).LookupPath(kindsPath) })
}

// remaining reports what is wrong with the package besides its workloads, and
// with its workloads as a whole.
func (e *evaluation) remaining(value cue.Value) {
	err := value.Validate()
	if err == nil {
		return
	}
	for _, bad := range plainErrors(e.dir, err) {
		if below, ok := strings.CutPrefix(bad.Path, "workloads."); ok && e.covered(below) {
			continue
		}
		e.fail(bad)
	}
}

// covered tells that a workload's own errors are told already.
func (e *evaluation) covered(below string) bool {
	name, _, _ := strings.Cut(below, ".")
	return slices.ContainsFunc(e.out.Errors, func(b *Error) bool {
		return b.Path == "workloads."+name || strings.HasPrefix(b.Path, "workloads."+name+".")
	})
}
