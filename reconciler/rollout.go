package reconciler

import (
	"cmp"
	"sort"
	"strings"
	"time"
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
			if r.cameUp(&next) {
				p.redeem(&p.facts.Rollouts[i])
			}
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

func (p *pass) rollout(name string) *Rollout {
	if i, ok := findRollout(p.facts.Rollouts, name); ok {
		return &p.facts.Rollouts[i]
	}
	return nil
}

func findRollout(sorted []Rollout, workload string) (at int, known bool) {
	return sort.Find(len(sorted), func(i int) int { return strings.Compare(workload, sorted[i].Workload) })
}
