package load

import "reflect"

// fill puts the defaults into the JSON of a value, in place, and below it
// wherever there is a struct to put them in.
func (r *rule) fill(v any) {
	switch v := v.(type) {
	case map[string]any:
		r.fillFields(v)
		for name, f := range v {
			if next := r.at([]string{name}); next != nil {
				next.fill(f)
			}
		}
	case []any:
		for _, f := range v {
			if r.each != nil {
				r.each.fill(f)
			}
		}
	}
}

func (r *rule) fillFields(v map[string]any) {
	for name, f := range r.fields {
		if _, there := v[name]; there || f.fallback == nil {
			continue
		}
		v[name] = f.fallback
		if _, isStruct := f.fallback.(map[string]any); isStruct {
			v[name] = map[string]any{}
		}
	}
}

// rooted is a copy of the data with the structs that are always there, and none
// of the other defaults.
func (r *rule) rooted(data any) any {
	data = deepCopy(data)
	r.root(data)
	return data
}

func (r *rule) root(data any) {
	fields, ok := data.(map[string]any)
	if !ok || r == nil {
		return
	}
	for name, f := range r.fields {
		if _, there := fields[name]; !there && reflect.DeepEqual(f.fallback, map[string]any{}) {
			fields[name] = map[string]any{}
		}
		if next, there := fields[name]; there {
			f.root(next)
		}
	}
}

// filled is a copy of the data with every default.
func (r *rule) filled(data any) any {
	data = deepCopy(data)
	r.fill(data)
	return data
}

func deepCopy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for name, x := range v {
			c[name] = deepCopy(x)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, x := range v {
			c[i] = deepCopy(x)
		}
		return c
	}
	return v
}
