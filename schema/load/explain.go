package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"

	"github.com/bayplan/bayplan/schema"
)

// explain turns what CUE found into words, and adds what it keeps to itself
// while anything else is wrong: unknown and missing fields.
func (c *candidate) explain(err error) {
	c.walk(nil, c.user, c.rule)
	if c.rule.fields["image"] != nil && !has(c.user, "image") && !has(c.user, "artifact") {
		c.fail([]string{"image"}, "%s", schema.ImageRule)
	}
	for _, e := range telling(err) {
		path := c.inside(unlabelled(e.Path()))
		switch full := c.inFull(path); {
		case c.told(path):
		case full != nil:
			c.explainFull(full)
		default:
			c.explainOne(e, path)
		}
	}
}

// inFull is what is wrong with fields that stand where a number would do, of which
// CUE says only that they are neither; nil where there are no such.
func (c *candidate) inFull(path []string) error {
	mine, _ := descend(c.user, path)
	if r := c.rule.at(path); r == nil || r.short == "" || mine.IncompleteKind() != cue.StructKind {
		return nil
	}
	d := c.definition
	for _, name := range path {
		field := d.LookupPath(cue.MakePath(cue.Str(name).Optional()))
		if !field.Exists() {
			field = d.LookupPath(cue.MakePath(cue.AnyString))
		}
		d = field
	}
	full, _ := inFull(d)
	return mine.Unify(full).Validate(cue.Concrete(true))
}

func (c *candidate) explainFull(err error) {
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
	case len(path) >= 1 && slices.Contains([]string{"#Pool", "#Registry", "#Owner", "#Gates"}, path[0]):
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
