package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/bayplan/bayplan/schema"
)

// candidate is one workload on its way from a user's value to a schema.Workload,
// or one pool or registry.
type candidate struct {
	// under is where it stands: "workloads", or "cluster" and "pools".
	under  []string
	name   string
	team   string
	dir    string
	user   cue.Value
	policy *policy // nil is none
	limits Limits

	// declared is the definition that the workload says it is; "" if none is seen.
	declared string

	kindName string
	rule     *rule
	errs     []*Error
}

// judge unifies the workload with its kind's definition, and what it comes to
// with the policy. A workload comes back only without errors.
func (c *candidate) judge(kinds func() cue.Value) (schema.Workload, []*Error) {
	if !schema.ValidName(c.name) {
		c.fail(nil, "%q is no name: %s", c.name, schema.NameRule)
	}
	kind, ok := c.kind(c.user)
	if !ok {
		return schema.Workload{}, c.errs
	}
	c.kindName, c.rule = kind, rules().kinds[kind]
	whole := c.user
	if c.declared != rules().definitions[kind] || whole.Validate(cue.Concrete(true)) != nil {
		whole = kinds().LookupPath(cue.MakePath(cue.Str(kind))).Unify(c.user)
	}
	if err := whole.Validate(cue.Concrete(true)); err != nil {
		c.explain(err)
	}
	if len(c.errs) > 0 {
		return schema.Workload{}, c.errs
	}
	return c.decode(kinds, whole)
}

// conforms unifies what is no workload with its definition, and decodes it.
func (c *candidate) conforms(definition cue.Value, into any) bool {
	whole := definition.Unify(c.user)
	if err := whole.Validate(cue.Concrete(true)); err != nil {
		c.explain(err)
		return false
	}
	return c.read(whole, into)
}

// fail adds an error at a path inside the workload.
func (c *candidate) fail(path []string, format string, args ...any) {
	c.errs = append(c.errs, at(placeOf(c.user, path), c.dir, c.dotted(path), fmt.Sprintf(format, args...)))
}

// failAt adds an error at places that CUE names.
func (c *candidate) failAt(places []token.Pos, path []string, message string) {
	if len(places) == 0 {
		c.fail(path, "%s", message)
		return
	}
	bad := at(places[0], c.dir, c.dotted(path), message+also(places[1:]))
	if strings.HasPrefix(message, "conflicting values") {
		bad.Next = "say it in one place, or make the shared one a default (*2 | int), and run: bayplan validate"
	}
	c.errs = append(c.errs, bad)
}

// elsewhereThan are the places but one.
func elsewhereThan(places []token.Pos, but token.Pos) []token.Pos {
	return slices.DeleteFunc(places, func(p token.Pos) bool { return p == but })
}

// dotted is a path inside the candidate as a path in the file.
func (c *candidate) dotted(path []string) string {
	return dotted(slices.Concat(c.under, []string{c.name}, path))
}

// kind reads the discriminator first, since all other rules hang on it.
func (c *candidate) kind(v cue.Value) (string, bool) {
	if v.Err() != nil || v.IncompleteKind() != cue.StructKind { // perhaps because of a field, which is told later
		if _, err := v.Fields(); err != nil {
			c.noWorkload(v)
			return "", false
		}
	}
	known := rules().names()
	want := "want \"" + strings.Join(known, "\" or \"") + "\""
	k := v.LookupPath(cue.MakePath(cue.Str("kind")))
	if err := v.Err(); !k.Exists() && err != nil {
		e := telling(err)[0]
		c.failAt(userPlaces(e, c.dir), nil, words(e))
		return "", false
	}
	if !k.Exists() {
		c.fail(nil, "kind is missing, %s", want)
		return "", false
	}
	kind, err := k.String()
	if err != nil || !slices.Contains(known, kind) {
		c.fail([]string{"kind"}, "%s, got %s", want, got(k))
		return "", false
	}
	return kind, true
}

// noWorkload says what is there instead of one.
func (c *candidate) noWorkload(v cue.Value) {
	if v.Err() == nil {
		c.fail(nil, "want a workload, got %s", got(v))
		return
	}
	for _, e := range telling(v.Err()) {
		c.failAt(userPlaces(e, c.dir), nil, words(e))
	}
}

// explain turns what CUE found into words, and adds what it keeps to itself
// while anything else is wrong: unknown and missing fields.
func (c *candidate) explain(err error) {
	c.walk(nil, c.user, c.rule)
	if c.rule.fields["image"] != nil && !has(c.user, "image") && !has(c.user, "artifact") {
		c.fail([]string{"image"}, "%s", schema.ImageRule)
	}
	for _, e := range telling(err) {
		if path := c.inside(unlabelled(e.Path())); !c.told(path) {
			c.explainOne(e, path)
		}
	}
}

func has(v cue.Value, field string) bool {
	return v.LookupPath(cue.MakePath(cue.Str(field))).Exists()
}

// inside cuts what leads to the candidate off a path: "workloads.web" or, seen
// from the schema, "#Kinds.service".
func (c *candidate) inside(path []string) []string {
	k := len(c.under)
	switch {
	case len(path) >= 2 && path[0] == "#Kinds":
		return path[2:]
	case len(path) >= 1 && (path[0] == "#Pool" || path[0] == "#Registry" || path[0] == "#Owner"):
		return path[1:]
	case len(path) > k && slices.Equal(path[:k], c.under):
		return path[k+1:]
	}
	return path
}

// told tells that a path, or one above it, has its error already; CUE has
// several for each.
func (c *candidate) told(path []string) bool {
	for i := range len(path) + 1 {
		p := c.dotted(path[:i])
		if slices.ContainsFunc(c.errs, func(e *Error) bool { return e.Path == p && i > 0 }) {
			return true
		}
	}
	return false
}

func (c *candidate) explainOne(e errors.Error, path []string) {
	mine, _ := descend(c.user, path)
	r, places := c.rule.at(path), userPlaces(e, c.dir)
	switch {
	case mine.Exists() && strings.Contains(words(e), "not allowed"):
		c.fail(path, "a definition that is taken in (#Name) is closed and has no %q%s", path[len(path)-1], also(elsewhereThan(places, mine.Pos())))
		c.errs[len(c.errs)-1].Next = "add the field to the definition, or ... for any, or share a plain field in its place; then run: bayplan validate"
	case mine.Err() != nil && mine.Exists() && r != nil && ofSchema(e):
		c.failAt(places[:min(1, len(places))], path, "want "+r.want) // the user took the schema in by import
	case mine.Err() != nil && mine.Exists(), r == nil:
		c.failAt(places, path, words(e))
	default:
		c.fail(path, "want %s, got %s", r.want, got(mine))
	}
}

// walk reports unknown fields, missing ones, and values that are not concrete.
func (c *candidate) walk(path []string, v cue.Value, r *rule) {
	if r == nil {
		return
	}
	if it, err := v.Fields(); err == nil {
		c.walkFields(path, it, r)
		return
	}
	if it, err := v.List(); err == nil {
		for i := 0; it.Next(); i++ {
			c.walk(append(path[:len(path):len(path)], strconv.Itoa(i)), it.Value(), r.each)
		}
		return
	}
	if d, _ := v.Default(); d.Err() == nil && !d.IsConcrete() {
		c.fail(path, "want %s, got %s, which is no value yet", r.want, got(v))
	}
}

func (c *candidate) walkFields(path []string, it *cue.Iterator, r *rule) {
	if r.fields == nil && r.each == nil {
		return
	}
	there := map[string]bool{}
	for it.Next() {
		name := it.Selector().Unquoted()
		there[name] = true
		here := append(path[:len(path):len(path)], name)
		if next := r.at([]string{name}); next != nil {
			c.walk(here, it.Value(), next)
		} else {
			c.fail(here, "%s", c.misplaced(name, r))
		}
	}
	for _, name := range r.names() {
		if !r.fields[name].optional && !there[name] {
			c.fail(append(path[:len(path):len(path)], name), "is missing: want %s", r.fields[name].want)
		}
	}
}

// misplaced is unknownField, with a better word for a field of other kinds.
func (c *candidate) misplaced(name string, r *rule) string {
	if r != c.rule || c.kindName == "" {
		return unknownField(name, r.names())
	}
	var have []string
	mine := ""
	for _, kind := range rules().names() {
		switch {
		case rules().kinds[kind] == r:
			mine = kind
		case rules().kinds[kind].fields[name] != nil:
			have = append(have, kind)
		}
	}
	if why := schema.NotOf(schema.Kind(mine), name); why != "" {
		return fmt.Sprintf("a %s has no field %q: %s", mine, name, why)
	}
	if len(have) == 0 {
		return unknownField(name, r.names())
	}
	return fmt.Sprintf("unknown field %q: only a %s has it", name, strings.Join(have, " or "))
}

// decode makes the Go value: JSON once, the policy's part and defaults filled in,
// then checked for what relates two fields.
func (c *candidate) decode(kinds func() cue.Value, v cue.Value) (schema.Workload, []*Error) {
	var w schema.Workload
	data, err := treeOf(v)
	if err != nil {
		c.fail(nil, "%v", err)
		return w, c.errs
	}
	if c.policy != nil {
		var ok bool
		if data, ok = c.underPolicy(kinds, data); !ok {
			return w, c.errs
		}
	}
	text, ok := c.into(&w, data)
	if !ok {
		return w, c.errs
	}
	if len(text) > c.limits.WorkloadBytes {
		c.fail(nil, "the workload has %d bytes as JSON, and %d are the limit", len(text), c.limits.WorkloadBytes)
	}
	w.Name = c.team + "/" + c.name
	for _, p := range w.Check() {
		c.fail(p.Path, "%s", p.Message)
	}
	return w, c.errs
}

// read decodes the value, with its defaults.
func (c *candidate) read(v cue.Value, into any) (ok bool) {
	data, err := treeOf(v)
	if err != nil {
		c.fail(nil, "%v", err)
		return false
	}
	_, ok = c.into(into, data)
	return ok
}

// into decodes data, with its defaults, and tells of its JSON.
func (c *candidate) into(v, data any) (text []byte, ok bool) {
	c.rule.fill(data)
	text, err := json.Marshal(data)
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		err = dec.Decode(v)
	}
	if err != nil {
		c.fail(nil, "%v", err)
	}
	return text, err == nil
}

// treeOf is the data that a value comes to.
func treeOf(v cue.Value) (any, error) {
	text, err := v.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return decodeTree(text)
}
