package load

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	cuejson "cuelang.org/go/encoding/json"
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
	root, ok := apart.build(at, rootSources(sources))
	e.out.Errors = append(e.out.Errors, apart.out.Errors...)
	return &policy{apart.ctx, root.LookupPath(policyPath)}, ok
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
	text, err := json.Marshal(data)
	if err != nil {
		return verdict{errs: []objection{{text: "meets what is no data: " + err.Error()}}}
	}
	x, err := cuejson.Extract("", text)
	if err != nil {
		return verdict{errs: []objection{{text: "meets what is no data: " + err.Error()}}}
	}
	plain := p.ctx.BuildExpr(x)
	both := plain.Unify(p.rule)
	if err := both.Validate(cue.Concrete(true)); err != nil {
		return verdict{errs: p.objections(err, both, data)}
	}
	if both.Equals(plain) {
		return verdict{data: data}
	}
	if text, err = both.MarshalJSON(); err == nil {
		data, err = decodeTree(text)
	}
	if err != nil {
		return verdict{errs: []objection{{text: "comes to no data: " + short(err.Error(), 300)}}}
	}
	return verdict{data: data}
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

// underPolicy is the workload's data with what the policy adds, every default
// included; nothing after errors.
func (c *candidate) underPolicy(kinds func() cue.Value, text []byte) ([]byte, error) {
	bare, err := decodeTree(text)
	if err != nil {
		return nil, err
	}
	v := c.policy.hold(bare, c.rule)
	for _, o := range v.errs {
		if dataAt(bare, o.path) == nil && dataAt(c.rule.filled(bare), o.path) != nil {
			o.text += ", the default"
		}
		c.fail(o.path, "the cluster's policy %s", o.text)
	}
	if len(v.errs) > 0 || !reflect.DeepEqual(v.data, c.rule.filled(bare)) && !c.stillOf(kinds, v.data) {
		return nil, nil
	}
	return json.Marshal(v.data)
}

// stillOf checks that what the policy made of a workload is one: an operator's
// slip is told by the policy's name.
func (c *candidate) stillOf(kinds func() cue.Value, data any) bool {
	err := c.conforming(kinds(), data)
	if err == nil {
		return true
	}
	e := telling(err)[0]
	path, text := c.inside(unlabelled(e.Path())), words(e)
	if r := c.rule.at(path); r != nil {
		text = fmt.Sprintf("want %s, got %s", cmp.Or(r.want, text), gotData(dataAt(data, path)))
	} else if len(path) > 0 {
		text = fmt.Sprintf("there is no field %q", path[len(path)-1])
	}
	c.fail(path, "the cluster's policy (%s) makes it what no %s may be: %s", where(c.policy.rule.Pos()), c.kindName, text)
	return false
}

func (c *candidate) conforming(kinds cue.Value, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	x, err := cuejson.Extract("", text)
	if err != nil {
		return err
	}
	kind := kinds.LookupPath(cue.MakePath(cue.Str(c.kindName)))
	return kind.Unify(kinds.Context().BuildExpr(x)).Validate(cue.Concrete(true))
}

func gotData(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return short(string(text), 60)
}
