package reconciler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// closeCommits gives the commits in work, one of each repository, their outcomes.
func (p *pass) closeCommits() {
	closed := map[string]bool{}
	for i := len(p.facts.Commits) - 1; i >= 0; i-- {
		if repo := p.facts.Commits[i].Repo; !closed[repo] {
			closed[repo] = true
			p.closeCommit(i)
		}
		if p.facts.alone() {
			return
		}
	}
}

// closeCommit gives a commit in work its outcome, once all that it touched has
// come to an end.
func (p *pass) closeCommit(at int) {
	if p.facts.Commits[at].Outcome != Progressing {
		return
	}
	outcome, reason := p.judge(&p.facts.Commits[at])
	if outcome == Progressing && reason == p.facts.Commits[at].Reason {
		return
	}
	p.editCommits()
	c := &p.facts.Commits[at]
	c.Outcome, c.Reason = outcome, reason
	if outcome.Ended() {
		c.Ended, c.Causes, c.Teams = p.in.Now, p.causes(c), p.judgeTeams(c)
	}
}

// judge is the commit's outcome as of now, with its gravest cause and how many
// there are beside it.
func (p *pass) judge(c *Commit) (Outcome, string) {
	outcome, causes := Applied, specErrors(&p.facts.Spec, c.Repo)
	if len(causes) > 0 {
		outcome = Failed
	}
	waits := "" // for an operator
	for _, name := range c.Touched {
		o, cause := p.judgeWorkload(name, c)
		switch {
		case o == Progressing && cause != "":
			waits = cmp.Or(waits, cause)
		case o == Progressing:
			return Progressing, ""
		case worse(o, outcome):
			outcome, causes = o, slices.Insert(causes, 0, cause)
		case cause != "":
			causes = append(causes, cause)
		}
	}
	if waits != "" {
		return Progressing, waits
	}
	if len(c.Touched) == 0 && len(causes) == 0 {
		return NoEffect, ""
	}
	return outcome, AndMore(causes)
}

// judgeTeams is the commit's outcome for each team that it touched or that has
// errors, sorted.
func (p *pass) judgeTeams(c *Commit) (teams []TeamOutcome) {
	add := func(team string, o Outcome, cause string) {
		at, known := slices.BinarySearchFunc(teams, team, func(t TeamOutcome, name string) int { return strings.Compare(t.Team, name) })
		if !known {
			teams = slices.Insert(teams, at, TeamOutcome{Team: team, Outcome: Applied})
		}
		if worse(o, teams[at].Outcome) {
			teams[at].Outcome, teams[at].Reason = o, cause
		}
	}
	for i := range p.facts.Spec.Teams {
		if t := &p.facts.Spec.Teams[i]; t.Repo == c.Repo && len(t.Errors) > 0 {
			add(t.Name, Failed, AndMore(t.Errors))
		}
	}
	for _, name := range c.Touched {
		o, cause := p.judgeWorkload(name, c)
		add((&schema.Workload{Name: name}).Team(), o, cause)
	}
	return teams
}

// AndMore is the first of several causes and how many there are beside it.
func AndMore(causes []string) string {
	switch len(causes) {
	case 0:
		return ""
	case 1:
		return causes[0]
	}
	return fmt.Sprintf("%s; and %d more", causes[0], len(causes)-1)
}

func (p *pass) judgeWorkload(name string, c *Commit) (Outcome, string) {
	if u := p.unresolved(name); u != nil {
		return p.judgeUnresolved(u, c)
	}
	r := p.rollout(name)
	if r == nil {
		return Applied, ""
	}
	if h := p.facts.holdOn(name); h != nil && (p.late(r) || h.Keep == "" && !r.ended()) {
		return Progressing, name + ": " + h.text()
	}
	if r.Paused != nil {
		return Progressing, name + ": its rollout is paused " + since(r.Paused.At, r.Paused.Actor, r.Paused.Reason)
	}
	switch r.Stage {
	case Waiting:
		if g := &p.outcome[p.byName[name]].gate; g.ended {
			return Failed, name + ": " + g.why.Text
		}
		return Progressing, ""
	case Rolling:
		if r.Want.Kind.Runs() && r.Reason != "" {
			return Failed, name + ": " + r.Reason
		}
		return Progressing, ""
	case Removing:
		return p.judgeRemoving(r)
	case Stuck:
		return Failed, name + ": " + r.Reason
	case Reverted:
		if r.Restarting() { // what the commit asks for runs
			return Applied, ""
		}
		return RolledBack, name + ": " + r.Reason
	case Reverting:
		if p.deadline(r).After(p.in.Now) {
			return Progressing, ""
		}
		return Failed, name + ": " + r.Reason + "; going back has not finished either"
	}
	return Applied, ""
}

// removingFor is how long a commit waits for what it removed to end before it
// has failed; the order to stop stays.
const removingFor = 10 * time.Minute

// judgeRemoving does not wait for nodes that are lost.
func (p *pass) judgeRemoving(r *Rollout) (Outcome, string) {
	left := p.outcome[p.byName[r.Workload]].left
	if left == 0 {
		return Applied, ""
	}
	if end := p.watched(r.Began).Add(removingFor); end.After(p.in.Now) {
		p.wakeAt(end)
		return Progressing, ""
	}
	return Failed, r.Workload + ": " + lingerText(left)
}

// tellLingering tells of removed workloads that do not come to their end.
func (p *pass) tellLingering() {
	for i := range p.facts.Rollouts {
		r := &p.facts.Rollouts[i]
		if r.Stage != Removing {
			continue
		}
		if outcome, _ := p.judgeRemoving(r); outcome == Failed {
			p.blocked = append(p.blocked, Blocked{Workload: r.Workload, Code: "not-ended", Text: lingerText(p.outcome[p.byName[r.Workload]].left),
				Next: "see where they are and what their nodes say: bayplan status " + r.Workload + " -o wide"})
		}
	}
}

func lingerText(left int) string {
	if left == 1 {
		return "an instance was told to stop and has not ended"
	}
	return fmt.Sprintf("%d instances were told to stop and have not ended", left)
}

// unresolvedFor is how long a commit waits for an image before it has failed.
const unresolvedFor = 10 * time.Minute

func (p *pass) judgeUnresolved(u *Unresolved, c *Commit) (Outcome, string) {
	wait := unresolvedFor
	if a := p.in.askOf(c.Repo); a != nil {
		if w := a.Desired.Workload(u.Workload); w != nil && !w.Kind.Runs() {
			wait = w.Update.ProgressDeadline.D()
		}
	}
	if end := p.watched(c.Seen).Add(wait); end.After(p.in.Now) {
		p.wakeAt(end)
		return Progressing, ""
	}
	return Failed, u.Workload + ": " + u.Failure.Text
}

// worse ranks ends: Failed, then RolledBack, then Applied.
func worse(a, b Outcome) bool {
	rank := func(o Outcome) int { return slices.Index([]Outcome{Applied, RolledBack, Failed}, o) }
	return rank(a) > rank(b)
}

// specErrors are the errors of a repository's text, all teams in their order.
func specErrors(s *schema.Spec, repo string) (errors []string) {
	for i := range s.Teams {
		if s.Teams[i].Repo == repo {
			errors = append(errors, s.Teams[i].Errors...)
		}
	}
	return errors
}
