package load

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"
)

// at is an error at a place of the syntax.
func at(pos token.Pos, file, fieldPath, message string) *Error {
	e := &Error{File: file, Path: fieldPath, Message: message, Next: nextValidate}
	if pos.IsValid() {
		e.File, e.Line, e.Col = pos.Filename(), pos.Line(), pos.Column()
	}
	return e
}

// where is "file:line:col".
func where(pos token.Pos) string {
	return fmt.Sprintf("%s:%d:%d", pos.Filename(), pos.Line(), pos.Column())
}

// dotted writes a path as users say it; only a name with a dot gets quotes.
func dotted(path []string) string {
	names := slices.Clone(path)
	for i, n := range names {
		if n == "" || strings.ContainsAny(n, ". \t\r\n\"") {
			names[i] = strconv.Quote(n)
		}
	}
	return strings.Join(names, ".")
}

// syntaxErrors is what a parser says of one file.
func syntaxErrors(name string, err error) []*Error {
	errs := plainErrors(name, err)
	for _, e := range errs {
		e.Message = path.Ext(name)[1:] + " syntax: " + strings.TrimPrefix(e.Message, name+": ")
		switch {
		case ext(name) != ".cue":
		case strings.Contains(e.Message, "missing ','"), strings.Contains(e.Message, "expected ','"):
			e.Next = "put quotes around texts and around names with - or /, a comma between two fields of one line, and run: bayplan validate"
		case strings.Contains(e.Message, "expected label"):
			e.Next = "write a field as name: value, and run: bayplan validate"
		}
	}
	return errs
}

// lineNumber finds the place in errors that carry it in their text alone.
var lineNumber = regexp.MustCompile(`^(?:[^:\n]*:)?\s*(?:line )?(\d+)(?::(\d+))?: `)

// plainErrors keeps the words of CUE, for errors that no rule of ours explains.
func plainErrors(name string, err error) (errs []*Error) {
	for _, e := range errors.Errors(err) {
		message, places := words(e), userPlaces(e, name)
		one := at(token.NoPos, name, dotted(unlabelled(e.Path())), message)
		if len(places) > 0 {
			one = at(places[0], name, one.Path, message+also(places[1:]))
		} else if m := lineNumber.FindStringSubmatch(message); m != nil {
			one.Message = message[len(m[0]):]
			one.Line, _ = strconv.Atoi(m[1])
			one.Col, _ = strconv.Atoi(m[2])
			one.Col = max(one.Col, 1)
		}
		errs = append(errs, one)
	}
	return errs
}

func words(e errors.Error) string {
	format, args := e.Msg()
	s := fmt.Sprintf(format, args...)
	if s == "" {
		s = e.Error()
	}
	return short(strings.TrimSuffix(s, ":"), 300)
}

// telling are the errors with those last that only count others ("2 errors in
// empty disjunction").
func telling(err error) []errors.Error {
	all := errors.Errors(err)
	slices.SortStableFunc(all, func(a, b errors.Error) int { return counting(a) - counting(b) })
	return all
}

func counting(e errors.Error) int {
	if strings.Contains(words(e), "errors in empty disjunction") {
		return 1
	}
	return 0
}

// short is a text in one line of at most n letters.
func short(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		s = string(r[:n]) + "…"
	}
	return s
}

func unlabelled(path []string) []string {
	out := make([]string, len(path))
	for i, p := range path {
		out[i] = p
		if s, err := strconv.Unquote(p); err == nil {
			out[i] = s
		}
	}
	return out
}

// userPlaces are the places that an error names in the user's files, those of
// the package itself first.
func userPlaces(e errors.Error, name string) (places []token.Pos) {
	dir := name
	if ext(name) != "" {
		dir = path.Dir(name)
	}
	for _, p := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		if p.IsValid() && p.Filename() != "" && !strings.HasPrefix(p.Filename(), schemaFile) && !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	slices.SortStableFunc(places, func(a, b token.Pos) int {
		return inDir(b, dir) - inDir(a, dir)
	})
	return places
}

// ofSchema tells of an error that a rule of the schema had a part in.
func ofSchema(e errors.Error) bool {
	return slices.ContainsFunc(append(e.InputPositions(), e.Position()), func(p token.Pos) bool {
		return strings.HasPrefix(p.Filename(), schemaFile)
	})
}

func inDir(p token.Pos, dir string) int {
	if path.Dir(p.Filename()) == dir {
		return 1
	}
	return 0
}

func also(places []token.Pos) string {
	if len(places) == 0 {
		return ""
	}
	text := make([]string, len(places))
	for i, p := range places {
		text[i] = where(p)
	}
	return " (see also " + strings.Join(text, ", ") + ")"
}

// got shows what the user wrote, in one short line.
func got(v cue.Value) string {
	switch v.IncompleteKind() {
	case cue.StructKind:
		return "fields in braces"
	case cue.ListKind:
		return "a list"
	}
	if v.Err() != nil && v.Exists() {
		return "what contradicts itself"
	}
	switch v.IncompleteKind() {
	case cue.BytesKind:
		return short(fmt.Sprint(v), 60) + ", which is bytes: a text has double quotes"
	case cue.NullKind:
		return "null, which is no value"
	}
	return short(fmt.Sprint(v), 60)
}

// placeOf is where a user's value stands: the place of the longest beginning of
// the path that the user wrote.
func placeOf(v cue.Value, path []string) token.Pos {
	pos := v.Pos()
	for _, name := range path {
		next, ok := child(v, name)
		if !ok {
			break
		}
		v = next
		if p := v.Pos(); p.IsValid() && !strings.HasPrefix(p.Filename(), schemaFile) {
			pos = p
		}
	}
	return pos
}

// child goes one step down, into a struct or a list.
func child(v cue.Value, name string) (cue.Value, bool) {
	sel := cue.Str(name)
	if v.IncompleteKind() == cue.ListKind {
		i, err := strconv.Atoi(name)
		if err != nil {
			return cue.Value{}, false
		}
		sel = cue.Index(i)
	}
	next := v.LookupPath(cue.MakePath(sel))
	return next, next.Exists()
}

// descend follows a whole path.
func descend(v cue.Value, path []string) (cue.Value, bool) {
	ok := true
	for _, name := range path {
		if v, ok = child(v, name); !ok {
			return v, false
		}
	}
	return v, true
}
