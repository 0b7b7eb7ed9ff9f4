package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"
)

// policy is what the operators want of every workload, in a context of its own.
//
// A team's text never meets it: what does is the data that the text comes to.
// There a default has been taken, nothing is hidden, nothing is closed, and no
// reference leads back, so that a rule can be met and not got around. It may add
// what a team left out: the default of the schema yields to it, what a team wrote
// does not. What comes out, with every default, is held to the rule again.
type policy struct {
	ctx  *cue.Context
	rule cue.Value
	// scope are the fields that it can look at; nil is all.
	scope map[string]bool
}

var policyPath = cue.ParsePath("cluster.policy")

// openPolicy evaluates the root package again, for its policy; nil is none, and
// false an error.
func (e *evaluation) openPolicy() (*policy, bool) {
	if !e.policy {
		return nil, true
	}
	at := Package{Root: e.root, Operators: e.operators}.operatorsRoot()
	apart := &evaluation{folders: e.folders, dir: at, root: at, im: e.operatorsImporter(e.im.module), ctx: cuecontext.New()}
	sources, _ := parseAll(at, e.folders(at).Files)
	sources = rootSources(sources)
	root, ok := apart.build(at, sources)
	e.out.Errors = append(e.out.Errors, apart.out.Errors...)
	return &policy{ctx: apart.ctx, rule: root.LookupPath(policyPath), scope: scopeOf(sources)}, ok
}

// operatorsImporter is for the operators' part, which imports what is in its own
// repository; module is that of the tree.
func (e *evaluation) operatorsImporter(module string) *importer {
	if e.operators.Mount != "" {
		module = e.operators.Module
	}
	return newImporter(e.folders, module, e.operators.Mount)
}

// verdict is what a policy makes of a workload's data.
type verdict struct {
	data any
	errs []objection
}

// objection is one thing that the policy has against a workload.
type objection struct {
	path []string
	// text completes "the cluster's policy …".
	text string
}

// hold unifies a workload's data with the policy, first as the team wrote it, so
// that the policy's own values come before the schema's defaults, and where that
// does not do, with the defaults: a rule may look at any field.
func (p *policy) hold(bare any, r *rule) (v verdict) {
	for _, start := range []any{r.rooted(bare), r.filled(bare)} {
		if v = p.met(start); len(v.errs) > 0 {
			continue
		}
		if v = p.met(r.filled(v.data)); len(v.errs) == 0 {
			return v
		}
	}
	return v
}

// met is the data with what the policy adds to it.
func (p *policy) met(data any) verdict {
	fields, ok := data.(map[string]any)
	if !ok || p.scope == nil {
		return p.metWhole(data)
	}
	seen := map[string]any{}
	for name := range p.scope {
		if x, there := fields[name]; there {
			seen[name] = x
		}
	}
	v := p.metWhole(seen)
	if held, ok := v.data.(map[string]any); ok {
		all := maps.Clone(fields)
		maps.Copy(all, held)
		v.data = all
	}
	return v
}

func (p *policy) metWhole(data any) verdict {
	plain := p.ctx.Encode(exact(data))
	both := plain.Unify(p.rule)
	if err := both.Validate(cue.Concrete(true)); err != nil {
		return verdict{errs: p.objections(err, both, data)}
	}
	if both.Equals(plain) {
		return verdict{data: data}
	}
	text, err := both.MarshalJSON()
	if err == nil {
		data, err = decodeTree(text)
	}
	if err != nil {
		return verdict{errs: []objection{{text: "comes to no data: " + short(err.Error(), 300)}}}
	}
	return verdict{data: data}
}

// exact is data for cue.Context.Encode, with each number as it is written.
func exact(data any) any {
	switch v := data.(type) {
	case map[string]any:
		fields := make(map[string]any, len(v))
		for name, x := range v {
			fields[name] = exact(x)
		}
		return fields
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = exact(x)
		}
		return list
	case json.Number:
		kind := token.INT
		if strings.ContainsAny(v.String(), ".eE") {
			kind = token.FLOAT
		}
		return ast.NewLit(kind, v.String())
	}
	return data
}

// objections are what CUE has against the data, one for each path.
func (p *policy) objections(err error, both cue.Value, data any) (all []objection) {
	told := func(path []string) bool {
		return slices.ContainsFunc(all, func(o objection) bool { return slices.Equal(o.path, path) })
	}
	for _, e := range telling(err) {
		if path := policyInside(unlabelled(e.Path())); !told(path) {
			all = append(all, objection{path, p.refusal(e, path, dataAt(data, path))})
		}
	}
	for _, path := range unmet(nil, both, data) {
		if !told(path) {
			all = append(all, objection{path, p.wants(path) + ", got nothing"})
		}
	}
	return all
}

// policyInside cuts the policy's own place off a path.
func policyInside(path []string) []string {
	if len(path) >= 2 && path[0] == "cluster" && path[1] == "policy" {
		return path[2:]
	}
	return path
}

// refusal is what the policy has against one value.
func (p *policy) refusal(e errors.Error, path []string, value any) string {
	got := "nothing"
	if text, err := json.Marshal(value); err == nil && value != nil {
		got = short(string(text), 60)
	}
	if strings.Contains(words(e), "not allowed") {
		return fmt.Sprintf("(%s) has no such field", where(p.rule.Pos()))
	}
	if _, there := descend(p.rule, path); !there {
		if places := userPlaces(e, "."); len(places) > 0 && !isOptional(p.rule, path) {
			return fmt.Sprintf("(%s) refuses it: %s", where(places[0]), words(e))
		}
	}
	return p.wants(path) + ", got " + got
}

// isOptional tells that the rule says something of a path, if only of a field
// that may be left out.
func isOptional(rule cue.Value, path []string) bool {
	for _, name := range path {
		if rule = optional(rule, name); !rule.Exists() {
			return false
		}
	}
	return true
}

// optional is one step down, also into a field that may be left out.
func optional(v cue.Value, name string) cue.Value {
	if next, ok := child(v, name); ok {
		return next
	}
	next := v.LookupPath(cue.MakePath(cue.Str(name).Optional()))
	if next.Exists() {
		return next
	}
	return v.LookupPath(cue.MakePath(cue.AnyString))
}

// wants says what the policy wants at a path, and where.
func (p *policy) wants(path []string) string {
	rule, pos := p.rule, p.rule.Pos()
	for _, name := range path {
		next := optional(rule, name)
		if !next.Exists() {
			break
		}
		if rule = next; rule.Pos().IsValid() {
			pos = rule.Pos()
		}
	}
	return fmt.Sprintf("(%s) wants %s", where(pos), short(fmt.Sprint(rule), 120))
}

// unmet are the paths of what the policy wants and the data does not have.
func unmet(path []string, both cue.Value, data any) (all [][]string) {
	it, err := both.Fields(cue.Optional(true))
	if err != nil {
		return nil
	}
	fields, _ := data.(map[string]any)
	for it.Next() {
		name := it.Selector().Unquoted()
		here := append(path[:len(path):len(path)], name)
		had, there := fields[name]
		d, _ := it.Value().Default()
		switch {
		case it.Selector().ConstraintType() == cue.OptionalConstraint:
		case there || d.IncompleteKind() == cue.StructKind:
			all = append(all, unmet(here, it.Value(), had)...)
		case it.Selector().ConstraintType() == cue.RequiredConstraint, d.Err() == nil && !d.IsConcrete():
			all = append(all, here)
		}
	}
	return all
}

// dataAt is what data has at a path; nil is nothing.
func dataAt(data any, path []string) any {
	for _, name := range path {
		fields, ok := data.(map[string]any)
		if !ok {
			return data
		}
		data = fields[name]
	}
	return data
}

func decodeTree(text []byte) (tree any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return tree, dec.Decode(&tree)
}
