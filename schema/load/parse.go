package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	cuejson "cuelang.org/go/encoding/json"
	cueyaml "cuelang.org/go/encoding/yaml"
)

// source is one parsed file of a package.
type source struct {
	name string
	// data tells YAML and JSON from CUE: no two of them may speak of one
	// workload, since nobody reads two such files as one.
	data   bool
	syntax *ast.File
}

// parseAll parses the files of one directory; all their errors, not the first.
// Those that were not read have their error already.
func parseAll(dir string, files []File) ([]source, []*Error) {
	var sources []source
	var errs []*Error
	for _, f := range files {
		if f.Data == nil {
			continue
		}
		src, bad := parse(f)
		errs = append(errs, bad...)
		if src.syntax != nil {
			sources = append(sources, src)
		}
	}
	if errs == nil {
		errs = doubles(sources)
	}
	return sources, errs
}

func parse(f File) (source, []*Error) {
	switch ext(f.Name) {
	case ".cue":
		return parseCUE(f)
	case ".json":
		expr, err := cuejson.Extract(f.Name, f.Data)
		if err != nil {
			return source{name: f.Name, data: true}, []*Error{jsonError(f, err)}
		}
		return dataSource(f.Name, &ast.File{Filename: f.Name, Decls: []ast.Decl{&ast.EmbedDecl{Expr: expr}}})
	default:
		syntax, err := cueyaml.Extract(f.Name, f.Data)
		if err != nil {
			return source{name: f.Name, data: true}, yamlErrors(f, err)
		}
		return dataSource(f.Name, syntax)
	}
}

// yamlErrors looks for the line where its parser has none, or only that of the
// block in which it gave up: the first after which the beginning of the file is
// YAML no more.
func yamlErrors(f File, err error) []*Error {
	errs := syntaxErrors(f.Name, err)
	if len(errs) != 1 || errs[0].Line > 1 {
		return errs
	}
	lines := bytes.SplitAfter(f.Data, []byte("\n"))
	if len(lines) > maxSearched {
		return errs
	}
	end := len(f.Data)
	for k := len(lines); k > 0; k-- {
		end -= len(lines[k-1])
		if _, err := cueyaml.Extract(f.Name, f.Data[:end]); err == nil {
			errs[0].Line, errs[0].Col = k, 1+len(lines[k-1])-len(bytes.TrimLeft(lines[k-1], " "))
			break
		}
	}
	return errs
}

// maxSearched bounds the lines of a file in which one is looked for, each with a
// parse of what is before it.
const maxSearched = 400

// jsonError takes the words of Go's parser, which says what it tripped over.
func jsonError(f File, err error) *Error {
	e := &Error{File: f.Name, Message: "json syntax: " + err.Error(), Next: nextValidate}
	var syntax *json.SyntaxError
	if goErr := json.Unmarshal(f.Data, new(any)); errors.As(goErr, &syntax) {
		before := f.Data[:max(0, syntax.Offset-1)]
		e.Message = "json syntax: " + syntax.Error()
		e.Line = 1 + bytes.Count(before, []byte("\n"))
		e.Col = len(before) - bytes.LastIndexByte(before, '\n')
	}
	return e
}

func parseCUE(f File) (source, []*Error) {
	syntax, err := parser.ParseFile(f.Name, f.Data)
	if err != nil {
		return source{name: f.Name}, syntaxErrors(f.Name, err)
	}
	for _, d := range syntax.Decls {
		a, ok := d.(*ast.Attribute)
		if !ok {
			break
		}
		switch key, _ := a.Split(); key {
		case "ignore":
			return source{}, nil
		case "extern", "if":
			return source{name: f.Name}, []*Error{at(a.Pos(), f.Name, "",
				fmt.Sprintf("@%s is not supported: a package is all that its files say, and nothing else", key))}
		}
	}
	return source{name: f.Name, syntax: syntax}, nil
}

// dataSource checks that a YAML or JSON file is one map without a key twice.
func dataSource(name string, f *ast.File) (source, []*Error) {
	src := source{name: name, data: true, syntax: f}
	if len(f.Decls) == 1 {
		if e, ok := f.Decls[0].(*ast.EmbedDecl); ok {
			switch x := e.Expr.(type) {
			case *ast.StructLit:
				f.Decls = x.Elts
			case *ast.ListLit:
				if !x.Pos().IsValid() {
					return src, []*Error{{File: name, Message: "a file is one document, and this has several (---)",
						Next: "put them under one workloads, or each into a file of its own, and run: bayplan validate"}}
				}
				return src, []*Error{at(x.Pos(), name, "", "want one document that is a map with workloads")}
			default:
				return src, []*Error{at(x.Pos(), name, "", "want a map with workloads; a file that says nothing could be a broken one")}
			}
		}
	}
	return src, repeated(name, nil, f.Decls)
}

// repeated finds the keys that stand twice in one map of a data file, which CUE
// would take for two statements that agree or clash.
func repeated(name string, path []string, decls []ast.Decl) (errs []*Error) {
	seen := map[string]token.Pos{}
	for _, d := range decls {
		f, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		label, _, err := ast.LabelName(f.Label)
		if err != nil {
			continue
		}
		here := append(path[:len(path):len(path)], label)
		if first, twice := seen[label]; twice {
			errs = append(errs, at(f.Label.Pos(), name, dotted(here),
				fmt.Sprintf("%q stands here twice, first in line %d", label, first.Line())))
		} else {
			seen[label] = f.Label.Pos()
		}
		errs = append(errs, repeatedIn(name, here, f.Value)...)
	}
	return errs
}

func repeatedIn(name string, path []string, x ast.Expr) (errs []*Error) {
	switch x := x.(type) {
	case *ast.StructLit:
		return repeated(name, path, x.Elts)
	case *ast.ListLit:
		for i, e := range x.Elts {
			errs = append(errs, repeatedIn(name, append(path[:len(path):len(path)], strconv.Itoa(i)), e)...)
		}
	}
	return errs
}

// doubles finds workloads that a data file shares with another file.
func doubles(sources []source) (errs []*Error) {
	type place struct {
		pos  token.Pos
		data bool
	}
	seen := map[string]place{}
	for _, src := range sources {
		for _, f := range workloadFields(src.syntax) {
			name, _, err := ast.LabelName(f.Label)
			if err != nil {
				continue
			}
			first, twice := seen[name]
			if !twice {
				seen[name] = place{f.Label.Pos(), src.data}
				continue
			}
			if src.data || first.data {
				errs = append(errs, at(f.Label.Pos(), src.name, dotted([]string{"workloads", name}),
					fmt.Sprintf("there are two workloads %q, the other in %s", name, where(first.pos))))
			}
		}
	}
	return errs
}

// workloadFields are the fields that a file writes below workloads.
func workloadFields(f *ast.File) (fields []*ast.Field) {
	for _, d := range f.Decls {
		top, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		if name, _, err := ast.LabelName(top.Label); err != nil || name != "workloads" {
			continue
		}
		if s, ok := top.Value.(*ast.StructLit); ok {
			for _, e := range s.Elts {
				if w, ok := e.(*ast.Field); ok {
					fields = append(fields, w)
				}
			}
		}
	}
	return fields
}
