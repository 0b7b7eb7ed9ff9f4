package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Place names a field of a workload as plans do, see [Locator.Find].
type Place struct{ Workload, Field string }

// FindAll is Find for each of all. With [WithEvaluator] the teams are evaluated by
// that, one after the other, and not by this process.
func (l *Locator) FindAll(ctx context.Context, all []Place) []Position {
	found := make([]Position, len(all))
	if l.elsewhere == nil {
		for i, p := range all {
			found[i] = l.Find(ctx, p.Workload, p.Field)
		}
		return found
	}
	byTeam := map[string][]int{}
	for i, p := range all {
		dir := path.Join(l.tree.root, path.Dir(p.Workload))
		byTeam[dir] = append(byTeam[dir], i)
	}
	for dir, of := range byTeam {
		if l.tree.folders[dir] == nil || ctx.Err() != nil {
			continue
		}
		p := l.pkg(dir)
		for _, i := range of {
			p.Find = append(p.Find, all[i])
		}
		for k, at := range l.ask(ctx, p) {
			found[of[k]] = at
		}
	}
	return found
}

// ask has a team's fields found elsewhere; none where that fails: places are
// welcome, not needed.
func (l *Locator) ask(ctx context.Context, p Package) []Position {
	ctx, cancel := context.WithTimeout(ctx, l.tree.limits.PackageTime)
	defer cancel()
	answer, err := l.elsewhere(ctx, p, l.tree.folder)
	if err != nil {
		return nil
	}
	all, err := p.places(answer)
	if err != nil {
		return nil
	}
	return all
}

// find answers a package that asks for places.
func (p Package) find(read folders) []Position {
	all := workloadsOf(p, read)
	found := make([]Position, len(p.Find))
	for i, place := range p.Find {
		found[i] = findIn(all, path.Base(place.Workload), place.Field)
	}
	return found
}

// places reads such an answer: what another process says is no more than text.
func (p Package) places(answer []byte) (all []Position, err error) {
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, err
	}
	bad := func(at Position) bool {
		return at != Position{} && (at.Line < 1 || len(at.File) > maxText || !fs.ValidPath(at.File) || strings.ContainsAny(at.File, "\n\r"))
	}
	if len(all) != len(p.Find) || slices.ContainsFunc(all, bad) {
		return nil, fmt.Errorf("places of %s that are none", p.Dir)
	}
	return all, nil
}
