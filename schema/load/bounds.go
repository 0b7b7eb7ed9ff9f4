package load

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"

	"github.com/bayplan/bayplan/schema"
)

// bounds are what every team of a tree is held to beside its own text: what the
// root package says, and what the server's flags grant. They are applied to
// results that may be older than they are.
type bounds struct {
	pools    []schema.Pool
	owners   []schema.Owner
	ownersAt []spot
	grants   schema.Grants
}

// broken are the errors of a team that goes past them, all at once.
func (b *bounds) broken(team string, r *result) (errs []*Error) {
	errs = append(errs, r.strangers(team, b.pools)...)
	errs = append(errs, r.beyond(team, b.pools)...)
	errs = append(errs, b.denied(team, r)...)
	errs = append(errs, b.disowned(team, r)...)
	return bounded(tidy(errs))
}

// denied are the errors of privileges that nobody granted.
func (b *bounds) denied(team string, r *result) (errs []*Error) {
	for i := range r.Workloads {
		w := &r.Workloads[i]
		for _, c := range w.Claims() {
			if text := b.grants.Denied(c, w.Name); text != "" {
				at := r.Belongs[i].spot(c.Path)
				bad := at.error(team, text)
				bad.Next = "do without it, or ask the operators of the server; where they grant it: bayplan validate --allow " + string(c.Privilege)
				errs = append(errs, bad)
			}
		}
	}
	return errs
}

// disowned are the errors of what a team's owners do not let it have: by itself,
// and of what it alone asks for too much of. What several teams ask for together
// is judged when the commit is accepted.
func (b *bounds) disowned(team string, r *result) (errs []*Error) {
	for k := range b.owners {
		o, sum := &b.owners[k], schema.Quota{}
		rule := fmt.Sprintf(" (the cluster's owners, %s:%d:%d)", b.ownersAt[k].File, b.ownersAt[k].Line, b.ownersAt[k].Col)
		for i := range r.Workloads {
			w, places := &r.Workloads[i], &r.Belongs[i]
			if !o.Owns(w.Name) {
				break // all workloads of a package are of one team
			}
			for _, p := range o.Refuses(w) {
				at := places.spot(p.Path)
				errs = append(errs, at.error(team, p.Message+rule))
			}
			was := sum
			sum = sum.Plus(w.Takes())
			if q := o.Quota; q != nil && was.Above(*q) == "" && sum.Above(*q) != "" {
				what := sum.Above(*q)
				errs = append(errs, places.Count.error(team, fmt.Sprintf("with it the team asks for %s, and %s may have %s together%s", sum.Text(what), o.Whom(), q.Text(what), rule)))
			}
		}
	}
	return errs
}

// owners judges each owner of the cluster.
func (e *evaluation) owners(all cue.Value) {
	it, err := all.Fields()
	if !all.Exists() || err != nil {
		return // cluster told of it
	}
	definition := e.ctx.BuildInstance(e.im.schema).LookupPath(ownerPath)
	for it.Next() {
		c := &candidate{under: []string{"cluster", "owners"}, name: it.Selector().Unquoted(), dir: e.dir, user: it.Value(), rule: rules().owner}
		var o schema.Owner
		if c.meets(definition, &o, &o.Path) {
			e.out.Owners = append(e.out.Owners, o)
			e.out.OwnersAt = append(e.out.OwnersAt, c.spot())
		}
		e.out.Errors = append(e.out.Errors, c.errs...)
	}
	e.sortOwners()
}

// sortOwners orders the owners by path, each with its place.
func (e *evaluation) sortOwners() {
	places := map[string]spot{}
	for i, o := range e.out.Owners {
		places[o.Path] = e.out.OwnersAt[i]
	}
	slices.SortFunc(e.out.Owners, func(a, b schema.Owner) int { return strings.Compare(a.Path, b.Path) })
	for i, o := range e.out.Owners {
		e.out.OwnersAt[i] = places[o.Path]
	}
}
