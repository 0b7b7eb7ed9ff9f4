package reconciler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// settleRollouts moves each rollout's stage by what the walk found.
func (p *pass) settleRollouts() {
	gone := false
	for i := range p.facts.Rollouts {
		r := p.facts.Rollouts[i]
		next := p.settle(r, &p.outcome[i])
		gone = gone || next.Stage == Removing && p.empty(i)
		if next != r {
			p.editRollouts()
			p.facts.Rollouts[i] = next
		}
	}
	if gone {
		p.dropRemoved()
	}
}

// settle is the rollout after this pass.
func (p *pass) settle(r Rollout, out *slotCount) Rollout {
	if p.frozen(r.Workload) {
		return r
	}
	if goal, digest := r.goal(); goal != nil && goal.Kind.Runs() {
		return p.settleRun(r, goal, digest)
	}
	if out.settled > r.Progress {
		r.Progress, r.Moved = out.settled, p.in.Now
	}
	if len(out.failed) > 0 {
		r.Failed = r.failures().plus(out.failed...)
	}
	complete := p.complete(&r, out)
	switch r.Stage {
	case Rolling, Stuck:
		if complete {
			return r.done(p.in.Now)
		}
		if at, halts := r.halts(); halts && r.Paused == nil {
			return p.halt(r, at, out)
		}
		if r.Stage == Rolling {
			return p.checkDeadlines(r, out)
		}
	case Keeping:
		if r.Paused == nil {
			return p.keep(r)
		}
	case Reverting:
		if complete {
			return r.reverted(p.in.Now)
		}
		p.wakeAt(p.deadline(&r))
	}
	return r
}

// succeed makes what is wanted the last good version. What was so before is
// remembered, unless the repository's text is the same.
func (r *Rollout) succeed() {
	if r.Good != nil && r.Good != r.Want && plain(r.Good).Digest() != plain(r.Want).Digest() {
		r.Before, r.BeforeCommit = r.Good, r.GoodCommit
	}
	r.Good, r.GoodDigest, r.GoodCommit = r.Want, r.Target, r.Commit
}

// counted is since when what its instances do counts.
func (r *Rollout) counted() time.Time {
	if r.Resumed.After(r.Began) {
		return r.Resumed
	}
	return r.Began
}

// complete is whether every slot is as wanted and all else is gone. What takes
// longer to end than the rollout may stand still is left to its order: new
// instances that serve are no reason to go back.
func (p *pass) complete(r *Rollout, out *slotCount) bool {
	if _, halts := r.halts(); halts || out.settled < out.desired || out.waiting != "" {
		return false
	}
	goal, _ := r.goal()
	if out.left == 0 || goal == nil {
		return out.left == 0
	}
	p.wakeAt(p.deadline(r))
	return !p.deadline(r).After(p.in.Now)
}

// failing is whether the rollout ends badly in this pass.
func (p *pass) failing(r *Rollout, out *slotCount) bool {
	if r.Stage != Rolling || r.Paused != nil || p.frozen(r.Workload) || p.complete(r, out) {
		return false
	}
	return out.failure != "" || p.runsOut(r, out) && out.settled <= r.Progress && !p.deadline(r).After(p.in.Now)
}

// runsOut is whether the time of the rollout runs: it may go on, and does not
// wait at a halt for anything but its checks.
func (p *pass) runsOut(r *Rollout, out *slotCount) bool {
	return out.gate.open() && (r.Ready.IsZero() || r.Checking())
}

// deadline is until when the rollout must have got further.
func (p *pass) deadline(r *Rollout) time.Time {
	goal, _ := r.goal()
	return later(p.watched(r.Moved).Add(goal.Update.ProgressDeadline.D()), p.untilTry(r))
}

// checkDeadlines fails a rollout whose instances are bad or that gets no
// further.
func (p *pass) checkDeadlines(r Rollout, out *slotCount) Rollout {
	if !p.failing(&r, out) {
		if p.runsOut(&r, out) {
			p.wakeAt(p.deadline(&r))
		}
		return r
	}
	if out.failure != "" {
		return p.fail(r, out.failure)
	}
	reason := "no progress for " + r.Want.Update.ProgressDeadline.String()
	switch {
	case cmp.Or(out.asking, out.waiting) != "":
		reason += ": " + cmp.Or(out.asking, out.waiting)
	case out.ailing != nil:
		text := p.where(out.ailing) + ": " + out.ailing.inst.Failure.Text
		reason += ": " + text
		r.Failed = r.failures().plus(p.causeOf(out.ailing, text))
	case out.pulling != nil:
		reason += ": " + p.where(out.pulling) + " is still pulling " + pullOf(out.pulling)
	}
	return p.fail(r, reason)
}

// fail goes back to the last good digest.
func (p *pass) fail(r Rollout, reason string) Rollout { return r.goBack(reason, p.in.Now) }

// empty is whether nothing of the i-th workload is left after this pass.
func (p *pass) empty(i int) bool {
	group := p.groupAt(i)
	for j := range group {
		if !p.gone(&group[j]) {
			return false
		}
	}
	return true
}

func (p *pass) dropRemoved() {
	p.editRollouts()
	kept := p.facts.Rollouts[:0]
	for i := range p.facts.Rollouts {
		if p.facts.Rollouts[i].Stage != Removing || !p.empty(i) {
			kept = append(kept, p.facts.Rollouts[i])
		}
	}
	p.facts.Rollouts = kept
}

// closeCommit gives the commit in work its outcome, once all that it touched
// has come to an end.
func (p *pass) closeCommit() {
	n := len(p.facts.Commits)
	if n == 0 || p.facts.Commits[n-1].Outcome != Progressing {
		return
	}
	outcome, reason := p.judge(&p.facts.Commits[n-1])
	if outcome == Progressing && reason == p.facts.Commits[n-1].Reason {
		return
	}
	p.editCommits()
	c := &p.facts.Commits[n-1]
	c.Outcome, c.Reason = outcome, reason
	if outcome.Ended() {
		c.Ended, c.Causes, c.Teams = p.in.Now, p.causes(c), p.judgeTeams(c)
	}
}

// judge is the commit's outcome as of now, with its gravest cause and how many
// there are beside it.
func (p *pass) judge(c *Commit) (Outcome, string) {
	outcome, causes := Applied, specErrors(&p.facts.Spec)
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
		if t := &p.facts.Spec.Teams[i]; len(t.Errors) > 0 {
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
	if w := p.in.Desired.Workload(u.Workload); w != nil && !w.Kind.Runs() {
		wait = w.Update.ProgressDeadline.D()
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

func (p *pass) rollout(name string) *Rollout {
	if i, ok := findRollout(p.facts.Rollouts, name); ok {
		return &p.facts.Rollouts[i]
	}
	return nil
}

func findRollout(sorted []Rollout, workload string) (at int, known bool) {
	return slices.BinarySearchFunc(sorted, workload, func(r Rollout, name string) int { return strings.Compare(r.Workload, name) })
}

// specErrors are the errors of the newest text, all teams in their order.
func specErrors(s *schema.Spec) (errors []string) {
	for i := range s.Teams {
		errors = append(errors, s.Teams[i].Errors...)
	}
	return errors
}
