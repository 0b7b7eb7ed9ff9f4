package reconciler_test

import (
	"bytes"
	"reflect"
	"slices"

	"github.com/bayplan/bayplan/reconciler"
)

// checkSpec: a commit is taken in whole for each team or not at all (I13), and
// what is refused or rewritten not at all (I7, I12).
func (f *fleet) checkSpec(in reconciler.Input, p *reconciler.Plan) {
	s := &p.Facts.Spec
	for _, t := range s.Teams {
		for _, w := range s.Workloads {
			if w.Team() != t.Name {
				continue
			}
			from := f.commits[t.Commit]
			if x := from.Workload(w.Name); x == nil || !reflect.DeepEqual(*x, w) && !bytes.Equal(encode(f.t, x), encode(f.t, w)) {
				f.t.Fatalf("I13: %s is not as %s has it", w.Name, t.Commit)
			}
		}
	}
	if (in.Refused != "" || in.Rewritten) && s.Revision.Commit != in.Facts.Spec.Revision.Commit {
		f.t.Fatalf("I7, I12: took in %s", s.Revision.Commit)
	}
	if slices.ContainsFunc(in.Facts.Approvals, func(a reconciler.Approval) bool { return a.Commit == s.Revision.Commit }) {
		return
	}
	gone, had, goneOf := 0, map[string]int{}, map[string]int{}
	for _, w := range in.Facts.Spec.Workloads {
		if had[w.Team()]++; s.Workload(w.Name) == nil {
			gone++
			goneOf[w.Team()]++
		}
	}
	if gone > 1 && 2*gone > len(in.Facts.Spec.Workloads) {
		f.t.Fatalf("I7: %d workloads went without approval", gone)
	}
	for team, n := range had {
		if n > 1 && goneOf[team] == n {
			f.t.Fatalf("I7: all of team %s went without approval", team)
		}
	}
}
