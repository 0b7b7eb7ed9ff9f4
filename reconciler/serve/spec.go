package serve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// What a client may ask a plan for. The loader holds a repository to the first
// and the third, and this server need not trust a client's.
const (
	maxReplicas  = 10_000
	maxWorkloads = 10_000
	maxAmount    = 10_000
	// maxRuns bounds what one run of a job or cron completes.
	maxRuns = 1_000
	// maxSlots is ten times what a cluster of some hundred nodes runs.
	maxSlots = 100_000
)

// admissible sorts a client's Spec and holds it to what the rest of the server
// takes for granted: sorted by name and no name twice, whole and within limits.
func admissible(spec *schema.Spec) error {
	if n := len(spec.Workloads); n > maxWorkloads {
		return fmt.Errorf("it has %d workloads, and %d are the limit", n, maxWorkloads)
	}
	slices.SortStableFunc(spec.Workloads, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(spec.Teams, func(a, b schema.Team) int { return strings.Compare(a.Name, b.Name) })
	slots := 0
	for i := range spec.Workloads {
		w := &spec.Workloads[i]
		if i > 0 && w.Name == spec.Workloads[i-1].Name {
			return fmt.Errorf("it has two workloads %s", w.Name)
		}
		if err := whole(w); err != nil {
			return err
		}
		slots += w.Replicas + w.Completions
	}
	if slots > maxSlots {
		return fmt.Errorf("it asks for %d slots, and %d are the limit", slots, maxSlots)
	}
	return nil
}

// granted refuses what no commit of this text could have here, all of it at once.
func (s *server) granted(spec *schema.Spec) error {
	var lines []string
	for i := range spec.Workloads {
		w := &spec.Workloads[i]
		for _, c := range w.Claims() {
			if text := s.Grants.Denied(c, w.Name); text != "" {
				lines = append(lines, fmt.Sprintf("%s: %s: %s", w.Name, strings.Join(c.Path, "."), text))
			}
		}
	}
	if lines == nil {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

// whole refuses what the loader would never have made of a workload. Amounts of
// resources have been checked as they were read.
func whole(w *schema.Workload) error {
	for part := range strings.SplitSeq(w.Name, "/") {
		if !schema.ValidName(part) {
			return fmt.Errorf("%q is no workload's name: %s", w.Name, schema.NameRule)
		}
	}
	u := &w.Update
	switch {
	case !slices.Contains(schema.Kinds, w.Kind):
		return fmt.Errorf("workload %s: %q is no kind", w.Name, w.Kind)
	case w.Replicas < 0 || w.Replicas > maxReplicas:
		return fmt.Errorf("workload %s: replicas: want a whole number from 0 to %d, got %d", w.Name, maxReplicas, w.Replicas)
	case w.Kind.Runs() && (outside(w.Completions, maxRuns) || outside(w.Parallelism, maxRuns)):
		return fmt.Errorf("workload %s: completions and parallelism: want whole numbers from 1 to %d, got %d and %d", w.Name, maxRuns, w.Completions, w.Parallelism)
	case !usual(u.MaxSurge) || !usual(u.MaxUnavailable):
		return fmt.Errorf("workload %s: update: want counts up to %d and shares up to 100%%", w.Name, maxAmount)
	}
	for name, p := range w.Ports {
		if min(p.Container, p.Host) < 0 || max(p.Container, p.Host) > 65535 {
			return fmt.Errorf("workload %s: port %s: want ports up to 65535", w.Name, name)
		}
	}
	if found := w.Check(); len(found) > 0 {
		return fmt.Errorf("workload %s: %s: %s", w.Name, strings.Join(found[0].Path, "."), found[0].Message)
	}
	return nil
}

func outside(n, most int) bool { return n < 1 || n > most }

func usual(a schema.Amount) bool {
	return min(a.Count, a.Percent) >= 0 && a.Count <= maxAmount && a.Percent <= 100
}
