package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// overtake records commits that were never looked at, since a newer one was
// there already, so that each comes to an end that can be read. The commit in
// work stays the last.
func (p *pass) overtake() {
	for _, r := range p.in.Overtaken {
		if p.knows(r) {
			continue
		}
		p.editCommits()
		at := max(0, len(p.facts.Commits)-1)
		p.facts.Commits = slices.Insert(p.facts.Commits, at, Commit{Revision: r, Outcome: Superseded, Seen: p.in.Now, Ended: p.in.Now,
			Reason: "by " + p.in.Desired.Revision.Short() + " before it was looked at"})
	}
	p.facts.Commits = p.facts.Commits[max(0, len(p.facts.Commits)-MaxCommits):]
}

func (p *pass) knows(r schema.Revision) bool {
	return slices.ContainsFunc(p.facts.Commits, func(c Commit) bool { return c.Revision.Commit == r.Commit })
}
