package load

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/parser"

	"github.com/bayplan/bayplan/schema"
)

// rule is what the schema says about one field, read from it once: what the
// evaluator cannot tell (the default, the words for a user) and what it tells
// poorly (the names that would have been right).
type rule struct {
	// want completes "want …"; "" if the schema has no words for it.
	want string
	// fallback is the default as JSON, {} for a struct that is always there;
	// nil is none.
	fallback any
	// optional tells that the field may be left out.
	optional bool
	// fields are those of a closed struct, each its own rule.
	fields map[string]*rule
	// short is the field that a number in the struct's place is meant for; "" where
	// none may stand there.
	short string
	// known are the same in the order of their names, to ask CUE for.
	known []known
	// each is the rule of a map's values or a list's elements.
	each *rule
}

// known is a field of a closed struct.
type known struct {
	path cue.Path
	rule *rule
	// key is its name as JSON, with the colon, and otherwise what it is, with all
	// below it, where it is left out; nil is nothing.
	key, otherwise []byte
}

// at finds the rule of a path; nil where the schema says nothing.
func (r *rule) at(path []string) *rule {
	for _, name := range path {
		if r == nil {
			return nil
		}
		next := r.fields[name]
		if next == nil {
			next = r.each
		}
		r = next
	}
	return r
}

func (r *rule) names() []string {
	if r == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(r.fields))
}

// ruleBook holds the rules of each kind, and of the cluster.
type ruleBook struct {
	kinds map[string]*rule
	// definitions are the kinds' own, such as "#Service".
	definitions   map[string]string
	cluster, pool *rule
	registry      *rule
	owner, gates  *rule
}

// rules reads the embedded schema once per process. The schema is part of the
// binary, so an error in it is a bug and every test sees it.
var rules = sync.OnceValue(func() *ruleBook {
	root := cuecontext.New().BuildInstance(schemaInstance())
	if err := root.Err(); err != nil {
		panic("the embedded schema: " + err.Error())
	}
	book := &ruleBook{kinds: map[string]*rule{}, definitions: map[string]string{}, cluster: readRule(root.LookupPath(cue.ParsePath("#Cluster")))}
	book.pool, book.registry = readRule(root.LookupPath(poolPath)), readRule(root.LookupPath(registryPath))
	book.owner, book.gates = readRule(root.LookupPath(ownerPath)), readRule(root.LookupPath(gatesPath))
	for it, _ := root.LookupPath(kindsPath).Fields(); it.Next(); {
		kind := it.Selector().Unquoted()
		book.kinds[kind] = readRule(it.Value())
		_, definition := it.Value().ReferencePath()
		book.definitions[kind] = definition.String()
	}
	return book
})

var (
	kindsPath    = cue.ParsePath("#Kinds")
	poolPath     = cue.ParsePath("#Pool")
	registryPath = cue.ParsePath("#Registry")
	ownerPath    = cue.ParsePath("#Owner")
	gatesPath    = cue.ParsePath("#Gates")
)

// schemaPath is the import path of the embedded schema.
const schemaPath = "github.com/bayplan/bayplan/schema"

// schemaFile begins the file names of the embedded schema, which no file of a
// user can have: errors never point there.
const schemaFile = "\x00schema/"

// schemaInstance is the embedded schema as syntax, read once per process: each
// context makes its own values of it. What imports it takes a copy of the instance,
// since CUE writes to that, and to nothing below it.
var schemaInstance = sync.OnceValue(func() *build.Instance {
	inst := build.NewContext().NewInstance("", nil)
	inst.ImportPath = schemaPath
	names, err := fs.Glob(schema.CUE, "*.cue")
	for _, name := range names {
		data, readErr := schema.CUE.ReadFile(name)
		f, parseErr := parser.ParseFile(schemaFile+name, data)
		if readErr != nil || parseErr != nil {
			panic(fmt.Sprint("the embedded schema: ", readErr, parseErr))
		}
		inst.AddSyntax(f)
	}
	if err != nil || inst.Complete() != nil {
		panic(fmt.Sprint("the embedded schema: ", err, inst.Err))
	}
	return inst
})

func readRule(v cue.Value) *rule {
	r := &rule{want: wantOf(v), fallback: fallbackOf(v)}
	switch v.IncompleteKind() {
	case cue.StructKind | cue.IntKind:
		r.readShort(v)
	case cue.StringKind:
		r.want = cmp.Or(r.want, "a text (in quotes)")
	case cue.StructKind:
		r.readFields(v)
		r.want = cmp.Or(r.want, "fields in braces: "+cmp.Or(strings.Join(r.names(), ", "), r.byName()))
	case cue.ListKind:
		if each := v.LookupPath(cue.MakePath(cue.AnyIndex)); each.Exists() {
			r.each = readRule(each)
		}
	}
	return r
}

// readShort reads what is fields or, in short, a number for the one that @short
// names.
func (r *rule) readShort(v cue.Value) {
	full, ok := inFull(v)
	attribute := cue.Dereference(v).Attribute("short")
	short, err := attribute.String(0)
	if !ok || err != nil {
		panic(fmt.Sprintf("the embedded schema: %s: a number or fields, without @short: %v", v.Path(), err))
	}
	r.short = short
	r.readFields(full)
}

// inFull is the struct of what is a number or a struct.
func inFull(v cue.Value) (cue.Value, bool) {
	_, ways := cue.Dereference(v).Expr()
	i := slices.IndexFunc(ways, func(way cue.Value) bool { return way.IncompleteKind() == cue.StructKind })
	if i < 0 {
		return cue.Value{}, false
	}
	return ways[i], true
}

// otherwise is the field's default, as JSON.
func (r *rule) otherwise() []byte {
	if r.fallback == nil {
		return nil
	}
	in := &rule{fields: map[string]*rule{"": r}}
	text, err := json.Marshal(in.filled(map[string]any{}).(map[string]any)[""])
	if err != nil {
		panic("the embedded schema: a default: " + err.Error())
	}
	return text
}

// byName is what a map holds, for people.
func (r *rule) byName() string {
	switch {
	case r.each == nil:
		return "NAME: ..."
	case r.each.fields != nil:
		return "NAME: {" + strings.Join(r.each.names(), ", ") + "}"
	}
	return "NAME: " + r.each.want
}

func (r *rule) readFields(v cue.Value) {
	r.fields = map[string]*rule{}
	for it, _ := v.Fields(cue.Optional(true)); it.Next(); {
		f := readRule(it.Value())
		f.optional = it.IsOptional()
		r.fields[it.Selector().Unquoted()] = f
	}
	for _, name := range r.names() {
		f := r.fields[name]
		r.known = append(r.known, known{cue.MakePath(cue.Str(name)), f, append(appendString(nil, name), ':'), f.otherwise()})
	}
	if each := v.LookupPath(cue.MakePath(cue.AnyString)); each.Exists() && len(r.fields) == 0 {
		r.fields, r.each = nil, readRule(each)
	}
}

// wantOf reads @want of the field, or of the definition that the field refers to.
func wantOf(v cue.Value) string {
	if a := v.Attribute("want"); a.Err() == nil {
		s, _ := a.String(0)
		return s
	}
	if root, path := v.ReferencePath(); path.String() != "" && path.String() != v.Path().String() {
		return wantOf(root.LookupPath(path))
	}
	return ""
}

func fallbackOf(v cue.Value) any {
	a := v.Attribute("default")
	if a.Err() != nil {
		return nil
	}
	var out any
	if err := v.Context().CompileString(a.Contents()).Decode(&out); err != nil {
		panic(fmt.Sprintf("the embedded schema: default of %s: %v", v.Path(), err))
	}
	return out
}

// names are the kinds, sorted.
func (b *ruleBook) names() []string { return slices.Sorted(maps.Keys(b.kinds)) }
