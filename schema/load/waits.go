package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/token"

	"github.com/bayplan/bayplan/schema"
)

// waiting is a workload that comes after another, and where its file says so.
type waiting struct {
	workload string
	after    schema.After
	path     string
	pos      token.Pos
}

func (c *candidate) waits(w *schema.Workload) (all []waiting) {
	for i, a := range w.After {
		path := []string{"after", strconv.Itoa(i)}
		all = append(all, waiting{workload: w.Name, after: a, path: c.dotted(path), pos: placeOf(c.user, path)})
	}
	return all
}

// checkWaits adds the errors of workloads that come after what is nowhere, or
// after themselves. It asks the teams that evaluate only: of the others it is
// not known what they have.
func checkWaits(t *tree, results []result) {
	all := waits{known: map[string]*schema.Workload{}, failing: map[string]bool{}}
	for i := range results {
		r := &results[i]
		all.failing[team(t.packages[i])] = len(r.errs) > 0
		for k := range r.workloads {
			all.known[r.workloads[k].Name] = &r.workloads[k]
		}
	}
	for i := range results {
		found := all.troubles(team(t.packages[i]), &results[i])
		results[i].errs = append(slices.Clip(results[i].errs), bounded(tidy(found))...)
	}
}

type waits struct {
	known   map[string]*schema.Workload
	failing map[string]bool
}

func (all *waits) troubles(team string, r *result) (errs []*Error) {
	if len(r.errs) > 0 {
		return nil
	}
	for _, w := range r.waits {
		if text := all.trouble(&w); text != "" {
			bad := at(w.pos, team, w.path, text)
			bad.Team = team
			errs = append(errs, bad)
		}
	}
	return errs
}

func (all *waits) trouble(w *waiting) string {
	other := all.known[w.after.Workload]
	if other == nil {
		if all.failing[teamOf(w.after.Workload)] {
			return ""
		}
		return all.nowhere(w.after.Workload)
	}
	if text := mismatch(w.after, other.Kind); text != "" {
		return text
	}
	if circle := schema.Circle(w.workload, all.next); circle != nil && circle[1] == w.after.Workload {
		return "it would wait for itself: " + strings.Join(circle, " → ")
	}
	return ""
}

// mismatch is why what is waited for is nothing that the kind comes to.
func mismatch(a schema.After, kind schema.Kind) string {
	switch is := a.Condition(kind); {
	case is == schema.Completed && kind != schema.Job:
		return fmt.Sprintf("%s is a %s, which does not complete: want %q or %q", a.Workload, kind, schema.Healthy, schema.Started)
	case is == schema.Healthy && kind.Runs():
		return fmt.Sprintf("%s is a %s, which has no health: want %q or, of a job, %q", a.Workload, kind, schema.Started, schema.Completed)
	}
	return ""
}

func (all *waits) next(name string) []schema.After {
	if w := all.known[name]; w != nil {
		return w.After
	}
	return nil
}

func (all *waits) nowhere(name string) string {
	names := make([]string, 0, len(all.known))
	for known := range all.known {
		names = append(names, known)
	}
	slices.Sort(names)
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("there is no workload %q, did you mean %q?", name, near)
	}
	return fmt.Sprintf("there is no workload %q; want its team and name, such as \"db/pg\"", name)
}

func teamOf(workload string) string { return (&schema.Workload{Name: workload}).Team() }
