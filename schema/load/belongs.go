package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// belonging is a pool that a workload names, and where. It is told apart from
// what is wrong with the package itself: another root may have the pool.
type belonging struct {
	Pool string
	At   spot
	// Size is where it says how large a slot is, and Count how many there are.
	Size, Count spot
	// Others are where it says what else may be refused to it: its kind, what it
	// is made of, and its privileges, by their dotted paths.
	Others map[string]spot `json:",omitempty"`
}

// spot is where one of the workload's fields stands.
func (b *belonging) spot(path []string) spot {
	switch key := strings.Join(path, "."); key {
	case "pool":
		return b.At
	case "resources":
		return b.Size
	default:
		if other, ok := b.Others[key]; ok {
			return other
		}
		return b.At
	}
}

// spot is a field and where it stands, or what it would be in. Like all that is
// part of a [result] it is plain data: it comes from other processes, and from
// the disk.
type spot struct {
	Path, File string
	Line, Col  int
}

func (s *spot) error(team, message string) *Error {
	return &Error{Team: team, File: s.File, Line: s.Line, Col: s.Col, Path: s.Path, Message: message, Next: nextValidate}
}

func (c *candidate) belongs(w *schema.Workload) belonging {
	b := belonging{Pool: w.Pool, At: c.spot("pool"), Size: c.spot("resources"), Count: c.spot(countOf(w)...), Others: map[string]spot{"kind": c.spot("kind")}}
	for _, o := range w.Origins() {
		b.Others[strings.Join(o.Path, ".")] = c.spot(o.Path...)
	}
	for _, claim := range w.Claims() {
		b.Others[strings.Join(claim.Path, ".")] = c.spot(claim.Path...)
	}
	return b
}

func (c *candidate) spot(path ...string) spot {
	where := at(placeOf(c.user, path), c.dir, c.dotted(path), "")
	return spot{where.Path, where.File, where.Line, where.Col}
}

// of is the same of what the policy made of the workload; false if it has more to be
// told where it stands.
func (b belonging) of(w *schema.Workload) (belonging, bool) {
	b.Pool = w.Pool
	known := func(path []string) bool { _, ok := b.Others[strings.Join(path, ".")]; return ok }
	for _, o := range w.Origins() {
		if !known(o.Path) {
			return b, false
		}
	}
	for _, c := range w.Claims() {
		if !known(c.Path) {
			return b, false
		}
	}
	return b, true
}

// countOf is the field that says how many slots there are at once.
func countOf(w *schema.Workload) []string {
	switch {
	case w.Kind.Runs():
		return []string{"parallelism"}
	case w.Kind == schema.Daemon:
		return nil
	}
	return []string{"replicas"}
}

// strangers are the errors about pools that the cluster does not have. Where it
// names none, the nodes' attributes do.
func (r *result) strangers(team string, pools []schema.Pool) (errs []*Error) {
	if len(pools) == 0 {
		return nil
	}
	names := schema.PoolNames(pools)
	for _, b := range r.Belongs {
		if b.Pool == schema.DefaultPool || slices.Contains(names, b.Pool) {
			continue
		}
		errs = append(errs, b.At.error(team, unknownPool(b.Pool, names)))
	}
	return errs
}

func unknownPool(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("there is no pool %q, did you mean %q?", name, near)
	}
	return fmt.Sprintf("there is no pool %q, only %s", name, strings.Join(known, ", "))
}
