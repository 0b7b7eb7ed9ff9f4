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
	pool string
	spot
	// size is where it says how large a slot is, and count how many there are.
	size, count spot
}

// spot is a field and where it stands, or what it would be in.
type spot struct {
	path string
	pos  token.Pos
}

func (s *spot) error(team, message string) *Error {
	bad := at(s.pos, team, s.path, message)
	bad.Team = team
	return bad
}

func (c *candidate) belongs(w *schema.Workload) belonging {
	return belonging{pool: w.Pool, spot: c.spot("pool"), size: c.spot("resources"), count: c.spot("replicas")}
}

func (c *candidate) spot(path ...string) spot { return spot{c.dotted(path), placeOf(c.user, path)} }

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
		errs = append(errs, b.error(team, unknownPool(b.pool, names)))
	}
	return bounded(tidy(errs))
}

func unknownPool(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("there is no pool %q, did you mean %q?", name, near)
	}
	return fmt.Sprintf("there is no pool %q, only %s", name, strings.Join(known, ", "))
}
