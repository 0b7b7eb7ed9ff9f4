package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
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
	// bare asks for said, the workload's own words.
	bare bool
	said json.RawMessage

	// declared is the definition that the workload says it is; "" if none is seen.
	declared string

	kindName string
	// definition is what the schema says of the kind.
	definition cue.Value
	rule       *rule
	errs       []*Error
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
		c.definition = kinds().LookupPath(cue.MakePath(cue.Str(kind)))
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

// decode makes the Go value: JSON once, the policy's part and defaults filled in,
// then checked for what relates two fields.
func (c *candidate) decode(kinds func() cue.Value, v cue.Value) (schema.Workload, []*Error) {
	text, err := c.rule.text(nil, v, c.policy == nil)
	if err == nil && c.policy != nil {
		text, _, err = c.underPolicy(kinds, text)
	}
	if err == nil && c.bare {
		c.said, err = c.rule.text(nil, v, false)
	}
	if err != nil {
		c.fail(nil, "%v", err)
	}
	if len(c.errs) > 0 {
		return schema.Workload{}, c.errs
	}
	return c.finish(text)
}

// finish makes the Go value of JSON that has all defaults.
func (c *candidate) finish(text []byte) (w schema.Workload, errs []*Error) {
	if err := strictly(text, &w); err != nil {
		c.fail(nil, "%v", err)
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
	text, err := c.rule.text(nil, v, true)
	if err == nil {
		err = strictly(text, into)
	}
	if err != nil {
		c.fail(nil, "%v", err)
	}
	return err == nil
}

// strictly decodes JSON that has no fields which nobody knows.
func strictly(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
