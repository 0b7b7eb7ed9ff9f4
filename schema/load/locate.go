package load

import (
	"context"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/token"
)

// Position is where something stands in the user's files.
type Position struct {
	File string
	Line int
	// Written is whether the field itself stands there; false is a place above it,
	// for a value that a default or a policy gave.
	Written bool
}

// String is "file:line"; "" of no place.
func (p Position) String() string {
	if p.File == "" {
		return ""
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Locator finds where fields of workloads stand in a tree.
type Locator struct {
	tree  *tree
	teams map[string]cue.Value // what their workloads came to
	// elsewhere is who evaluates what others wrote; nil is this process.
	elsewhere Evaluator
}

// NewLocator reads a tree; a team's files are evaluated when it is first asked
// about. It is for one goroutine.
func NewLocator(fsys fs.FS, opts ...Option) (*Locator, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	t, err := readTree(fsys, o.limits.withDefaults(), o.env, nil)
	if err != nil {
		return nil, err
	}
	return &Locator{tree: t, teams: map[string]cue.Value{}, elsewhere: o.evaluator}, nil
}

// Find is where a field of a workload stands, the field named as in plans:
// "ports.http.container", "args[0]"; "" is the workload itself. The zero Position
// is for what the tree does not have, and for a team that does not evaluate in
// time.
func (l *Locator) Find(ctx context.Context, workload, field string) Position {
	dir, name := path.Split(workload)
	return findIn(l.team(ctx, path.Join(l.tree.root, dir)), name, field)
}

// findIn finds a field in what a team's workloads came to.
func findIn(all cue.Value, name, field string) (found Position) {
	defer func() {
		if recover() != nil { // what a package does to CUE costs no more than its places (I27)
			found = Position{}
		}
	}()
	if !all.Exists() {
		return Position{}
	}
	v, ok := child(all, name)
	if !ok {
		return Position{}
	}
	at, written := v.Pos(), field == ""
	for v, rest := v, field; rest != ""; {
		v, rest, ok = into(v, rest)
		if !ok {
			break
		}
		if p := v.Pos(); p.IsValid() && !strings.HasPrefix(p.Filename(), schemaFile) {
			at, written = p, rest == ""
		}
	}
	return position(at, written)
}

func position(at token.Pos, written bool) Position {
	if !at.IsValid() || strings.HasPrefix(at.Filename(), schemaFile) {
		return Position{}
	}
	return Position{at.Filename(), at.Line(), written}
}

// team is the value of a team's workloads, with nothing in it where it does not
// evaluate.
func (l *Locator) team(ctx context.Context, dir string) cue.Value {
	if known, asked := l.teams[dir]; asked {
		return known
	}
	var all cue.Value
	if l.tree.folders[dir] != nil {
		done := make(chan cue.Value, 1)
		ctx, cancel := context.WithTimeout(ctx, l.tree.limits.PackageTime)
		defer cancel()
		go func() { done <- workloadsOf(l.pkg(dir), l.tree.folder) }()
		select {
		case all = <-done:
		case <-ctx.Done():
		}
	}
	l.teams[dir] = all
	return all
}

func (l *Locator) pkg(dir string) Package {
	return Package{Dir: dir, Root: l.tree.root, Module: moduleName(l.tree.folder, ""), Limits: l.tree.limits}
}

// workloadsOf is the way of evaluation.team as far as the users' own values.
func workloadsOf(p Package, read folders) (all cue.Value) {
	guarded(p, read, func(e *evaluation) {
		e.im, e.ctx = newImporter(read, p.Module, ""), cuecontext.New()
		own := read(p.Dir)
		sources, errs := parseAll(p.Dir, own.Files)
		if len(errs) > 0 || len(own.Refused) > 0 {
			return
		}
		if value, ok := e.build(p.Dir, sources); ok {
			all = value.LookupPath(workloadsPath)
		}
	})
	return all
}

// into takes the first step of a path as plans write it: the longest field that
// it may begin with, since names may have dots themselves.
func into(v cue.Value, field string) (next cue.Value, rest string, ok bool) {
	if index, more, found := strings.Cut(strings.TrimPrefix(field, "["), "]"); found && field[0] == '[' {
		next, ok = child(v, index)
		return next, strings.TrimPrefix(more, "."), ok
	}
	for end := len(field); end > 0; end = strings.LastIndexAny(field[:end], ".[") {
		if next, ok = child(v, field[:end]); ok {
			return next, strings.TrimPrefix(field[end:], "."), true
		}
	}
	return v, field, false
}
