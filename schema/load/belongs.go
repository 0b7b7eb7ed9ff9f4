package load

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/token"

	"github.com/bayplan/bayplan/schema"
)

// belonging is a pool that a workload names, and where. It is told apart from
// what is wrong with the package itself: another root may have the pool.
type belonging struct {
	pool, path string
	pos        token.Pos
}

func (c *candidate) belongs(w *schema.Workload) belonging {
	path := []string{"pool"}
	return belonging{pool: w.Pool, path: c.dotted(path), pos: placeOf(c.user, path)}
}

// strangers are the errors about pools that the cluster does not have. Where it
// names none, the nodes' attributes do.
func (r *result) strangers(team string, pools []schema.Pool) (errs []*Error) {
	if len(pools) == 0 || len(r.errs) > 0 {
		return nil
	}
	names := schema.PoolNames(pools)
	for _, b := range r.belongs {
		if b.pool == schema.DefaultPool || slices.Contains(names, b.pool) {
			continue
		}
		bad := at(b.pos, team, b.path, unknownPool(b.pool, names))
		bad.Team = team
		errs = append(errs, bad)
	}
	return bounded(tidy(errs))
}

func unknownPool(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("there is no pool %q, did you mean %q?", name, near)
	}
	return fmt.Sprintf("there is no pool %q, only %s", name, strings.Join(known, ", "))
}
