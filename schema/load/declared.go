package load

import (
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"
)

// declared are the workloads that are written as `schema.#Service & {...}`, and of
// which definition each says it is. Such a value has the rules in it already:
// unified with the same definition once more it comes to the same, after four
// times the work. The files' imports have been resolved.
func declared(sources []source) map[string]string {
	all := map[string]string{}
	for _, src := range sources {
		for _, f := range workloadFields(src.syntax) {
			name, _, err := ast.LabelName(f.Label)
			if d := definitionOf(f.Value); err == nil && d != "" && f.Constraint == token.ILLEGAL {
				all[name] = d
			}
		}
	}
	return all
}

// definitionOf is the schema's definition that an expression is unified with; "" if
// it is none that can be seen.
func definitionOf(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.ParenExpr:
		return definitionOf(x.X)
	case *ast.BinaryExpr:
		if x.Op != token.AND {
			return ""
		}
		if d := definitionOf(x.X); d != "" {
			return d
		}
		return definitionOf(x.Y)
	case *ast.SelectorExpr:
		of, isIdent := x.X.(*ast.Ident)
		name, isDefinition := x.Sel.(*ast.Ident)
		if isIdent && isDefinition && importsSchema(of.Node) && strings.HasPrefix(name.Name, "#") {
			return name.Name
		}
	}
	return ""
}

// importsSchema tells that an identifier stands for the embedded schema: it was
// resolved, so that nothing else of its name is nearer.
func importsSchema(n ast.Node) bool {
	spec, ok := n.(*ast.ImportSpec)
	if !ok {
		return false
	}
	path, err := literal.Unquote(spec.Path.Value)
	return err == nil && path == schemaPath
}
