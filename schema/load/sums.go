package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// exceeded are the errors of quotas that the teams of sound text go past together,
// where the quota stands. What one team asks for too much of alone is its own error.
func (b *bounds) exceeded(all []schema.Workload) (errs []*Error) {
	for k := range b.owners {
		o := &b.owners[k]
		if o.Quota == nil {
			continue
		}
		byTeam, sum := map[string]schema.Quota{}, schema.Quota{}
		for i := range all {
			if w := &all[i]; o.Owns(w.Name) {
				byTeam[w.Team()] = byTeam[w.Team()].Plus(w.Takes())
				sum = sum.Plus(w.Takes())
			}
		}
		if what := sum.Above(*o.Quota); what != "" {
			bad := b.ownersAt[k].error("", fmt.Sprintf("%s ask for %s together, and may have %s: %s", o.Whom(), sum.Text(what), o.Quota.Text(what), shares(byTeam, what)))
			bad.Next = "ask for less in one of them, or raise the quota, and run: bayplan validate; who asks for more than before stays as it was meanwhile"
			errs = append(errs, bad)
		}
	}
	return errs
}

// maxShares is how many teams are named; those by name first, as they are granted.
const maxShares = 8

// shares tells what each team asks for.
func shares(byTeam map[string]schema.Quota, what string) string {
	names := slices.Sorted(maps.Keys(byTeam))
	var parts []string
	for _, name := range names[:min(len(names), maxShares)] {
		q := byTeam[name]
		parts = append(parts, name+" "+q.Text(what))
	}
	if more := len(names) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
