package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// overtake records commits that were never looked at, since a newer one was
// there already, so that each comes to an end that can be read.
func (p *pass) overtake() {
	for i := range p.in.Overtaken {
		r := p.in.Overtaken[i]
		if p.knows(r) {
			continue
		}
		c := p.commitFor(r)
		c.Outcome, c.Reason, c.Ended = Superseded, "by a newer commit before it was looked at", p.in.Now
	}
}

func (p *pass) knows(r schema.Revision) bool {
	return slices.ContainsFunc(p.facts.Commits, func(c Commit) bool { return c.Revision.Commit == r.Commit })
}
