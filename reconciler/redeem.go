package reconciler

import (
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// redeem gives the commit that ended badly for a workload another end, since that
// runs what it asks for after all: an operator had it tried again, or it came up by
// itself. What else of the commit ended badly stays so.
func (p *pass) redeem(r *Rollout) {
	at := p.facts.answers(r)
	if at < 0 || p.facts.Commits[at].Revision.Commit != r.Commit || !p.facts.Commits[at].endedBadly() {
		return
	}
	p.editCommits()
	c := &p.facts.Commits[at]
	c.Outcome, c.Reason = p.afterAll(c, r)
	c.Teams = slices.Clone(c.Teams)
	team := (&schema.Workload{Name: r.Workload}).Team()
	at, known := slices.BinarySearchFunc(c.Teams, team, func(t TeamOutcome, name string) int { return strings.Compare(t.Team, name) })
	if known {
		c.Teams[at].Outcome, c.Teams[at].Reason = c.Outcome, c.Reason
	}
	c.sum()
	c.Causes = slices.DeleteFunc(slices.Clone(c.Causes), func(x Cause) bool { return x.Slot.Workload == r.Workload })
	c.Phases = append(slices.Clone(c.Phases), PhaseTime{Name: "retried", Took: schema.Duration(p.in.Now.Sub(c.Ended))})
	c.Ended = p.in.Now
}

// sum makes the outcome of the whole of those of its teams, if any is bad.
func (c *Commit) sum() {
	var causes []string
	for i := range c.Teams {
		t := &c.Teams[i]
		if worse(t.Outcome, c.Outcome) {
			c.Outcome = t.Outcome
		}
		if t.Outcome != Applied {
			causes = append(causes, t.Reason)
		}
	}
	if len(causes) > 0 {
		c.Reason = AndMore(causes)
	}
}

func (c *Commit) endedBadly() bool { return c.Outcome == RolledBack || c.Outcome == Failed }

// afterAll is what became of the commit for a team, one of whose workloads is as
// wanted after all, by those that are still about it.
func (p *pass) afterAll(c *Commit, r *Rollout) (outcome Outcome, why string) {
	outcome, why = Applied, r.afterAll()
	for _, name := range c.Touched {
		other := p.rollout(name)
		if other == nil || other == r || other.Commit != c.Revision.Commit || !sameTeam(name, r.Workload) {
			continue
		}
		o, cause := p.judgeWorkload(name, c)
		if o == Progressing {
			o, cause = RolledBack, name+" is being tried again"
		}
		if worse(o, outcome) {
			outcome, why = o, cause
		}
	}
	return outcome, why
}

// afterAll tells how it came that it is as wanted.
func (r *Rollout) afterAll() string {
	switch {
	case r.Retried == nil && r.Want.Kind.Runs():
		return r.Workload + " completed after all"
	case r.Retried == nil:
		return r.Workload + " came up after all"
	}
	return "applied by retry of " + r.Workload + " at " + r.Retried.At.UTC().Format("2006-01-02 15:04:05 UTC") + " " + by(r.Retried.Actor, r.Retried.Reason)
}

func sameTeam(a, b string) bool {
	return (&schema.Workload{Name: a}).Team() == (&schema.Workload{Name: b}).Team()
}

// cameUp is whether the rollout has come to a good end, by what it is after it.
func (r *Rollout) cameUp(next *Rollout) bool {
	was := r.Stage == Rolling || r.Stage == Stuck
	return was && (next.Stage == Done || next.Stage == Keeping)
}
