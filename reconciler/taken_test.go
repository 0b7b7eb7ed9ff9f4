package reconciler_test

import (
	"bytes"
	"reflect"
	"slices"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
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
			if !f.sameText(from.Workload(w.Name), &w) && !f.mayWait(t.Commit, &in.Facts.Spec, &w) {
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

func (f *fleet) sameText(x, w *schema.Workload) bool {
	return x != nil && (reflect.DeepEqual(x, w) || bytes.Equal(encode(f.t, x), encode(f.t, w)))
}

// mayWait is whether the workload's image was not known when the commit came, and
// the text is that of then, or what was in force before.
func (f *fleet) mayWait(commit string, inForce *schema.Spec, w *schema.Workload) bool {
	then, known := f.unpinned[commit]
	if !known {
		return false
	}
	x := then.Workload(w.Name)
	return x != nil && x.Pinned == "" && (f.sameText(x, w) || f.sameText(inForce.Workload(w.Name), w))
}
