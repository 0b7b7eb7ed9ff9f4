package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// waiting is a workload that comes after another, and where its file says so.
type waiting struct {
	Workload string
	After    schema.After
	At       spot
}

func (c *candidate) waits(w *schema.Workload) (all []waiting) {
	for i, a := range w.After {
		all = append(all, waiting{w.Name, a, c.spot("after", strconv.Itoa(i))})
	}
	return all
}

// checkWaits adds the errors of workloads that come after what is nowhere, or
// after themselves. It asks the teams that evaluate only: of the others it is
// not known what they have.
func checkWaits(t *tree, results []result) {
	if !slices.ContainsFunc(results, func(r result) bool { return len(r.Waits) > 0 }) {
		return
	}
	all := waits{known: map[string]*schema.Workload{}, failing: map[string]bool{}}
	for i := range results {
		r := &results[i]
		all.failing[t.team(i)] = len(r.Errors) > 0
		for k := range r.Workloads {
			all.known[r.Workloads[k].Name] = &r.Workloads[k]
		}
	}
	for i := range results {
		found := all.troubles(t.team(i), &results[i])
		results[i].Errors = append(slices.Clip(results[i].Errors), bounded(tidy(found))...)
	}
}

type waits struct {
	known   map[string]*schema.Workload
	failing map[string]bool
}

func (all *waits) troubles(team string, r *result) (errs []*Error) {
	if len(r.Errors) > 0 {
		return nil
	}
	for _, w := range r.Waits {
		if text := all.trouble(&w); text != "" {
			errs = append(errs, w.At.error(team, text))
		}
	}
	return errs
}

func (all *waits) trouble(w *waiting) string {
	other := all.known[w.After.Workload]
	if other == nil {
		if all.failing[teamOf(w.After.Workload)] {
			return ""
		}
		return all.nowhere(w.After.Workload)
	}
	if text := mismatch(w.After, other.Kind); text != "" {
		return text
	}
	if circle := schema.Circle(w.Workload, all.next); circle != nil && circle[1] == w.After.Workload {
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
