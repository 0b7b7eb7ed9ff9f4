package reconciler

import (
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// takeBack makes a commit that was applied one that was rolled back, since one of
// its workloads goes back after all. It is the newest that answers for it: the one
// that asked for the version, or one that took that over unfinished. A restart is
// no commit's doing.
func (f *Facts) takeBack(r *Rollout) {
	if r.Restarting() {
		return
	}
	at := f.answers(r)
	if at < 0 || f.Commits[at].Outcome != Applied {
		return // another end is no better, and one in work is judged by what it touches
	}
	f.Commits = slices.Clone(f.Commits)
	c := &f.Commits[at]
	why := r.Workload + ": " + r.Reason
	c.Phases = append(slices.Clone(c.Phases), PhaseTime{Name: "kept", Took: schema.Duration(r.Moved.Sub(c.Ended))})
	c.Outcome, c.Reason, c.Ended = RolledBack, why, r.Moved
	c.Teams = slices.Clone(c.Teams)
	team := (&schema.Workload{Name: r.Workload}).Team()
	if i, known := slices.BinarySearchFunc(c.Teams, team, func(t TeamOutcome, name string) int { return strings.Compare(t.Team, name) }); known && worse(RolledBack, c.Teams[i].Outcome) {
		c.Teams[i].Outcome, c.Teams[i].Reason = RolledBack, why
	}
}

// answers is the newest commit whose outcome tells of the rollout's version; -1
// where it is forgotten.
func (f *Facts) answers(r *Rollout) int {
	repo := f.RepoOf(r.Workload)
	for i := len(f.Commits) - 1; i >= 0; i-- {
		c := &f.Commits[i]
		_, touched := slices.BinarySearch(c.Touched, r.Workload)
		if c.Revision.Commit == r.Commit && (touched || c.Repo == repo) {
			return i
		}
		if touched && c.Outcome != Superseded && c.Outcome != Held {
			return i
		}
	}
	return -1
}
