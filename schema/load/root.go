package load

import (
	"bytes"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"

	"github.com/bayplan/bayplan/schema"
)

// cluster checks the operators' part. An error in it is either an operator's slip
// beside the policy (workloads at the root, another tool's file), which keeps
// nobody else, or leaves the policy unknown: then the package is broken.
func (e *evaluation) cluster() {
	own := e.folders(e.dir)
	sources, errs := parseAll(e.dir, own.Files)
	e.out.Errors = append(errs, own.Refused...)
	e.out.Broken = slices.ContainsFunc(e.out.Errors, func(bad *Error) bool { return mayHoldPolicy(bad, own.Files) })
	sources = rootSources(sources)
	e.out.Team = len(sources)+len(errs) > 0
	for _, src := range sources {
		e.rootLevel(src)
	}
	if e.out.Broken {
		return
	}
	before := len(e.out.Errors)
	value, ok := e.build(e.dir, sources)
	if ok {
		e.clusterFields(value.LookupPath(cue.ParsePath("cluster")))
		e.pools(value.LookupPath(cue.ParsePath("cluster.pools")))
		e.registries(value.LookupPath(cue.ParsePath("cluster.registries")))
		e.owners(value.LookupPath(cue.ParsePath("cluster.owners")))
		e.gates(value.LookupPath(cue.ParsePath("cluster.gates")))
		e.out.Policy = value.LookupPath(policyPath).Exists()
		if err := value.Validate(); err != nil {
			e.out.Errors = append(e.out.Errors, plainErrors(e.dir, err)...)
		}
	}
	e.out.Broken = !ok || len(e.out.Errors) > before
}

// mayHoldPolicy tells of an unreadable file that could hold the policy: any of
// CUE, and one of data that has the word.
func mayHoldPolicy(bad *Error, files []File) bool {
	i := slices.IndexFunc(files, func(f File) bool { return f.Name == bad.File })
	return i < 0 || ext(bad.File) == ".cue" || files[i].Data == nil || bytes.Contains(files[i].Data, []byte("cluster"))
}

// rootSources leaves out what did not parse, and data files that are not ours:
// many tools keep theirs at the root.
func rootSources(sources []source) []source {
	return slices.DeleteFunc(sources, func(src source) bool {
		return src.syntax == nil || src.data && !slices.ContainsFunc(topFields(src.syntax), func(f *ast.Field) bool {
			name, _, _ := ast.LabelName(f.Label)
			return nearest(name, []string{"cluster", "workloads"}) != ""
		})
	})
}

func (e *evaluation) rootLevel(src source) {
	for _, f := range topFields(src.syntax) {
		name, _, _ := ast.LabelName(f.Label)
		switch near := nearest(name, []string{"cluster", "workloads"}); {
		case name == "workloads":
			bad := at(f.Label.Pos(), src.name, name, "the root holds no workloads: a folder's path is the team, and the root has none")
			bad.Next = nextMove
			e.fail(bad)
		case near != "" && name != near:
			e.fail(at(f.Label.Pos(), src.name, name, unknownField(name, []string{near})))
		}
	}
}

// pools judges each pool by itself, then all together.
func (e *evaluation) pools(all cue.Value) {
	it, err := all.Fields()
	if !all.Exists() || err != nil {
		return // cluster told of it
	}
	definition := e.ctx.BuildInstance(e.im.schema).LookupPath(poolPath)
	judged := map[string]*candidate{}
	for it.Next() {
		c := &candidate{under: []string{"cluster", "pools"}, name: it.Selector().Unquoted(), dir: e.dir, user: it.Value(), rule: rules().pool}
		if p, ok := c.judgePool(definition); ok {
			e.out.Pools = append(e.out.Pools, p)
		}
		judged[c.name] = c
	}
	slices.SortFunc(e.out.Pools, func(a, b schema.Pool) int { return strings.Compare(a.Name, b.Name) })
	for name, problems := range schema.CheckPools(e.out.Pools) {
		for _, p := range problems {
			judged[name].fail(p.Path, "%s", p.Message)
		}
	}
	for _, c := range judged {
		e.out.Errors = append(e.out.Errors, c.errs...)
	}
}

// judgePool unifies the pool with its definition.
func (c *candidate) judgePool(definition cue.Value) (p schema.Pool, ok bool) {
	if !schema.ValidName(c.name) {
		c.fail(nil, "%q is no name: %s", c.name, schema.NameRule)
	}
	ok = c.conforms(definition, &p) && len(c.errs) == 0
	p.Name = c.name
	return p, ok
}

// clusterFields checks names that are close to those that matter, since the rest is open.
func (e *evaluation) clusterFields(v cue.Value) {
	if !v.Exists() {
		return
	}
	known := rules().cluster.names()
	it, err := v.Fields()
	if err != nil {
		e.fail(at(v.Pos(), e.dir, "cluster", "want "+rules().cluster.want+", got "+got(v)))
		return
	}
	for it.Next() {
		name := it.Selector().Unquoted()
		if near := nearest(name, known); near != "" && near != name {
			e.fail(at(it.Value().Pos(), e.dir, dotted([]string{"cluster", name}), unknownField(name, known)))
		}
		if slices.Contains(known, name) && !maybeStruct(it.Value()) {
			e.fail(at(it.Value().Pos(), e.dir, dotted([]string{"cluster", name}), "want fields in braces, got "+got(it.Value())))
		}
	}
}

// maybeStruct is whether v has fields, or will have some: a policy that looks at
// a workload's fields ("if kind == …") is no value until it meets one.
func maybeStruct(v cue.Value) bool {
	kind := v.IncompleteKind()
	return kind == cue.StructKind || kind == cue.BottomKind && v.Validate() == nil
}
