package load

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/encoding/jsonschema"
)

// JSONSchema is the embedded schema as draft 7 of JSON Schema, which editors know,
// for who writes YAML or JSON. It says less than the loader: no policy, and nothing
// that relates two fields.
func JSONSchema() ([]byte, error) {
	root := cuecontext.New().BuildInstance(schemaInstance())
	defs, choice := map[string]any{}, []any{}
	for it, _ := root.LookupPath(kindsPath).Fields(); it.Next(); {
		kind := it.Selector().Unquoted()
		def, err := describe(it.Value())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		defs[kind] = def
		choice = append(choice, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"kind": map[string]any{"const": kind}}},
			"then": map[string]any{"$ref": "#/definitions/" + kind},
		})
	}
	cluster, err := describe(root.LookupPath(cue.ParsePath("#Cluster")))
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	workload := map[string]any{"type": "object", "required": []string{"kind"}, "allOf": choice,
		"properties": map[string]any{"kind": map[string]any{"enum": slices.Sorted(maps.Keys(defs))}}}
	return json.MarshalIndent(map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "Bayplan workloads", "type": "object", "definitions": defs,
		"properties": map[string]any{"cluster": cluster,
			"workloads": map[string]any{"type": "object", "propertyNames": map[string]any{"pattern": namePattern}, "additionalProperties": workload}},
		"additionalProperties": false,
	}, "", "  ")
}

// namePattern is #Name.
const namePattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

// describe writes one value of the schema with all that it embeds, its words and
// its default.
func describe(v cue.Value) (out map[string]any, err error) {
	switch v.IncompleteKind() {
	case cue.StructKind:
		out, err = describeFields(v)
	case cue.StructKind | cue.IntKind:
		out, err = describeWays(v)
	case cue.ListKind:
		out = map[string]any{"type": "array"}
		if each := v.LookupPath(cue.MakePath(cue.AnyIndex)); each.Exists() {
			out["items"], err = describe(each)
		}
	default:
		out, err = describeLeaf(v)
	}
	if err != nil {
		return nil, err
	}
	if want := wantOf(v); want != "" {
		out["description"] = "Want " + want + "."
	}
	if d := fallbackOf(v); d != nil {
		out["default"] = d
	}
	return out, nil
}

func describeFields(v cue.Value) (map[string]any, error) {
	out, fields, required := map[string]any{"type": "object"}, map[string]any{}, []string{}
	for it, _ := v.Fields(cue.Optional(true)); it.Next(); {
		name := it.Selector().Unquoted()
		f, err := describe(it.Value())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fields[name] = f
		if it.Selector().ConstraintType() == cue.RequiredConstraint {
			required = append(required, name)
		}
	}
	if len(fields) > 0 {
		out["properties"] = fields
	}
	if len(required) > 0 {
		out["required"] = required
	}
	each := v.LookupPath(cue.MakePath(cue.AnyString))
	switch {
	case each.Exists() && each.IncompleteKind() != cue.TopKind:
		f, err := describe(each)
		out["additionalProperties"] = f
		return out, err
	case !each.Exists() && len(fields) > 0:
		out["additionalProperties"] = false
	}
	return out, nil
}

// describeWays writes what is one thing or another.
func describeWays(v cue.Value) (map[string]any, error) {
	_, ways := cue.Dereference(v).Expr()
	all := make([]any, len(ways))
	for i, way := range ways {
		one, err := describe(way)
		if err != nil {
			return nil, err
		}
		all[i] = one
	}
	return map[string]any{"anyOf": all}, nil
}

// describeLeaf has CUE write what is no struct and no list.
func describeLeaf(v cue.Value) (map[string]any, error) {
	x, err := jsonschema.Generate(v.Eval(), nil)
	if err != nil {
		return nil, err
	}
	text, err := v.Context().BuildExpr(x).MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, err
	}
	delete(out, "$schema")
	return out, nil
}
