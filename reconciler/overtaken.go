package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// overtake records commits that were never looked at, since a newer one was
// there already, so that each comes to an end that can be read. The commit in
// work stays the last.
func (p *pass) overtake() {
	for _, a := range p.in.Asks() {
		for _, r := range a.Overtaken {
			if p.knows(a.Repo, r) {
				continue
			}
			p.editCommits()
			p.facts.Commits = slices.Insert(p.facts.Commits, p.beforeLast(a.Repo), Commit{Revision: r, Repo: a.Repo, Outcome: Superseded, Seen: p.in.Now, Ended: p.in.Now,
				Reason: "by " + a.Desired.Revision.Short() + " before it was looked at"})
		}
		p.facts.Commits = newest(p.facts.Commits, a.Repo, MaxCommits)
	}
}

// beforeLast is the place before a repository's commit in work.
func (p *pass) beforeLast(repo string) int {
	if at := lastOf(p.facts.Commits, repo); at >= 0 {
		return at
	}
	return len(p.facts.Commits)
}

func (p *pass) knows(repo string, r schema.Revision) bool {
	return slices.ContainsFunc(p.facts.Commits, func(c Commit) bool { return c.Repo == repo && c.Revision.Commit == r.Commit })
}

// lastOf is the place of a repository's commit in work, its newest; -1 for none.
func lastOf(all []Commit, repo string) int {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Repo == repo {
			return i
		}
	}
	return -1
}

// newest is all with no more than the newest commits of one repository.
func newest(all []Commit, repo string, most int) []Commit {
	n := 0
	for i := range all {
		if all[i].Repo == repo {
			n++
		}
	}
	if n <= most {
		return all
	}
	kept := make([]Commit, 0, len(all))
	for i := range all {
		if n > most && all[i].Repo == repo {
			n--
			continue
		}
		kept = append(kept, all[i])
	}
	return kept
}
