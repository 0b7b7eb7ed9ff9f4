package load

import (
	"encoding/json"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
)

// text appends what a value comes to that was unified with the rule's definition,
// as JSON; with defaults also what is left out and has one.
//
// MarshalJSON would put the fields of each struct into the order in which they
// were written, which takes longer than all else on a workload's way out of CUE.
// Those of a closed struct are known: they are asked for by name.
func (r *rule) text(b []byte, v cue.Value, defaults bool) ([]byte, error) {
	v, _ = v.Default()
	switch kind := v.Kind(); {
	case kind == cue.StructKind && r != nil && len(r.known) > 0:
		return r.textOfFields(b, v, defaults)
	case kind == cue.StructKind:
		return r.textOfMap(b, v, defaults)
	case kind == cue.ListKind:
		return r.textOfList(b, v, defaults)
	case kind == cue.StringKind:
		s, err := v.String()
		return appendString(b, s), err
	}
	leaf, err := v.MarshalJSON()
	if r != nil && r.short != "" && err == nil {
		return r.textInFull(b, leaf, defaults), nil
	}
	return append(b, leaf...), err
}

// textInFull writes the fields that a number stands for, so that whoever reads
// them (a policy, say) knows one way only.
func (r *rule) textInFull(b, leaf []byte, defaults bool) []byte {
	b = append(b, '{')
	for i := range r.known {
		switch k := &r.known[i]; {
		case string(k.key) == strconv.Quote(r.short)+":":
			b = append(append(separated(b), k.key...), leaf...)
		case defaults && k.otherwise != nil:
			b = append(append(separated(b), k.key...), k.otherwise...)
		}
	}
	return append(b, '}')
}

func (r *rule) textOfFields(b []byte, v cue.Value, defaults bool) (_ []byte, err error) {
	b = append(b, '{')
	for i := range r.known {
		k := &r.known[i]
		f := v.LookupPath(k.path)
		switch there := f.Exists(); {
		case there:
			b, err = k.rule.text(append(separated(b), k.key...), f, defaults)
		case defaults && k.otherwise != nil:
			b = append(append(separated(b), k.key...), k.otherwise...)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// textOfMap is a struct whose fields are the user's to name.
func (r *rule) textOfMap(b []byte, v cue.Value, defaults bool) ([]byte, error) {
	it, err := v.Fields()
	if err != nil {
		return nil, err
	}
	b = append(b, '{')
	for it.Next() {
		name := it.Selector().Unquoted()
		b = append(appendString(separated(b), name), ':')
		if b, err = r.at([]string{name}).text(b, it.Value(), defaults); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func (r *rule) textOfList(b []byte, v cue.Value, defaults bool) ([]byte, error) {
	it, err := v.List()
	if err != nil {
		return nil, err
	}
	b = append(b, '[')
	for it.Next() {
		if b, err = r.at([]string{""}).text(separated(b), it.Value(), defaults); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// separated is ready for another field or element.
func separated(b []byte) []byte {
	if last := b[len(b)-1]; last != '{' && last != '[' {
		return append(b, ',')
	}
	return b
}

// appendString appends a text in quotes. Most are plain.
func appendString(b []byte, s string) []byte {
	if strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) < 0 {
		return append(append(append(b, '"'), s...), '"')
	}
	quoted, _ := json.Marshal(s) // of a string there is always JSON
	return append(b, quoted...)
}
