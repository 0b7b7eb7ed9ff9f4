package load

import (
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"
)

// scopeOf are the fields of a workload that the policy can look at, so that it meets
// no others; nil is all of them.
//
// A reference finds what is declared around it. Where the policy is a list of
// fields and nothing else, those are all that it can name, constrain or add; a
// condition, a pattern, an embedded value or a name for the whole could reach
// further, and so could what is put together elsewhere.
func scopeOf(sources []source) map[string]bool {
	scope := map[string]bool{}
	for _, src := range sources {
		if !scopeIn(src.syntax.Decls, []string{"cluster", "policy"}, scope) {
			return nil
		}
	}
	return scope
}

// scopeIn adds the fields below a path; false where they cannot be told.
func scopeIn(decls []ast.Decl, path []string, scope map[string]bool) bool {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Package, *ast.ImportDecl, *ast.CommentGroup, *ast.Attribute, *ast.Ellipsis:
		case *ast.Field:
			if !scopeOfField(d, path, scope) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func scopeOfField(f *ast.Field, path []string, scope map[string]bool) bool {
	name, plain := plainLabel(f)
	switch {
	case !plain:
		return false
	case len(path) == 0:
		scope[name] = true
		return !namesSelf(f)
	case name != path[0]:
		return true
	}
	s, isStruct := f.Value.(*ast.StructLit)
	return isStruct && scopeIn(s.Elts, path[1:], scope)
}

// plainLabel is the name of a field that has just that.
func plainLabel(f *ast.Field) (name string, ok bool) {
	switch l := f.Label.(type) {
	case *ast.Ident:
	case *ast.BasicLit:
		if l.Kind != token.STRING {
			return "", false
		}
	default:
		return "", false
	}
	name, _, err := ast.LabelName(f.Label)
	return name, err == nil && f.Alias == nil
}

// namesSelf tells that a field speaks of what it is in as a whole.
func namesSelf(f *ast.Field) (found bool) {
	ast.Walk(f, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name == "self" {
			found = true
		}
		return !found
	}, nil)
	return found
}
