package loop

import (
	"context"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
)

// beginCommit opens the trace of a commit. The one before it is followed on: it
// stays in work until the new one has been taken in, and has an end of its own.
func (t *term) beginCommit(ctx context.Context, tip source.Tip) {
	if t.commit != nil && t.commit.commit == tip.Revision.Commit { // looked at again
		if at := recordOf(t.facts.Commits, t.commit.commit); at >= 0 && t.facts.Commits[at].Outcome == reconciler.Held {
			t.commitPhase("held")
		}
		return
	}
	if t.commit != nil {
		t.before = append(t.before, t.commit)
		t.commit = nil
	}
	var rec *reconciler.Commit
	if n := len(t.facts.Commits); n > 0 && t.facts.Commits[n-1].Revision.Commit == tip.Revision.Commit {
		rec = &t.facts.Commits[n-1]
	}
	if at := slices.IndexFunc(t.before, func(c *commitTrace) bool { return rec != nil && c.commit == tip.Revision.Commit }); at >= 0 {
		t.commit = t.before[at] // the branch is back at what is in work
		t.before = slices.Delete(t.before, at, at+1)
		return
	}
	if rec != nil && rec.Outcome.Ended() && rec.Outcome != reconciler.Held {
		return // seen before a restart
	}
	t.commit = newTrace(ctx, tip)
	if rec != nil {
		t.commit.resume(rec, &t.facts)
	}
	t.commitPhase("detect")
}

// commitPhase ends a phase of the newest commit.
func (t *term) commitPhase(name string) { t.commit.phase(name, t.cfg.Now()) }

// followCommit notes how far commits have come, and closes the record of each
// that has ended with its phases.
func (t *term) followCommit(ctx context.Context, plan *reconciler.Plan, snap nodes.Snapshot, now time.Time) {
	if plan.FactsChanged {
		plan.Facts.Commits = slices.Clone(plan.Facts.Commits)
	}
	t.takeUp(ctx, &plan.Facts)
	t.before = slices.DeleteFunc(t.before, func(c *commitTrace) bool { return t.follow(c, plan, snap, now) })
	if len(t.before) > reconciler.MaxCommits { // what has no record by now gets none
		t.before[0].root.End()
		t.before = slices.Delete(t.before, 0, 1)
	}
	if t.commit != nil && t.follow(t.commit, plan, snap, now) {
		t.commit = nil
	}
}

// takeUp opens the trace of the commit in work where there is none: the leader
// before this one followed it, or it had ended and goes on.
func (t *term) takeUp(ctx context.Context, f *reconciler.Facts) {
	n := len(f.Commits)
	if n == 0 || f.Commits[n-1].Outcome.Ended() || t.traceOf(f.Commits[n-1].Revision.Commit) != nil {
		return
	}
	rec := &f.Commits[n-1]
	c := newTrace(ctx, source.Tip{Revision: rec.Revision, Detected: rec.Seen})
	c.resume(rec, f)
	t.before = append(t.before, c)
}

// traceOf is the commit's; nil for none.
func (t *term) traceOf(commit string) *commitTrace {
	if t.commit != nil && t.commit.commit == commit {
		return t.commit
	}
	for _, c := range t.before {
		if c.commit == commit {
			return c
		}
	}
	return nil
}

// follow is about one commit, and whether it has ended.
func (t *term) follow(c *commitTrace, plan *reconciler.Plan, snap nodes.Snapshot, now time.Time) (ended bool) {
	at := recordOf(plan.Facts.Commits, c.commit)
	if at < 0 {
		return false
	}
	rec, newest := &plan.Facts.Commits[at], at == len(plan.Facts.Commits)-1
	if plan.FactsChanged && newest {
		c.place(plan, now)
		c.phase("plan", now)
	}
	t.letThrough(c, rec, now)
	c.noteFailure(rec, &plan.Facts, now)
	if !c.ordered.IsZero() && c.failed.IsZero() && rec.Outcome != reconciler.Superseded {
		c.watch(snap, &plan.Facts, now)
	}
	if !plan.FactsChanged {
		return false
	}
	if !rec.Outcome.Ended() || rec.Outcome == reconciler.Held { // it may be let through yet
		rec.Phases = c.phases
		return false
	}
	c.end(rec, now)
	t.meter.ended(rec, c, now)
	return true
}

// recordOf is the newest record of the commit; -1 for none.
func recordOf(all []reconciler.Commit, commit string) int {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Revision.Commit == commit {
			return i
		}
	}
	return -1
}

// letThrough ends the wait of a commit that was held.
func (t *term) letThrough(c *commitTrace, rec *reconciler.Commit, now time.Time) {
	if rec.Outcome == reconciler.Held {
		return
	}
	if at := recordOf(t.facts.Commits, c.commit); at >= 0 && t.facts.Commits[at].Outcome == reconciler.Held {
		c.phase("held", now)
	}
}

// noteFailure notes when the first of what the commit touched went back.
func (c *commitTrace) noteFailure(rec *reconciler.Commit, f *reconciler.Facts, now time.Time) {
	if !c.failed.IsZero() || len(rec.Touched) == 0 {
		return
	}
	for i := range f.Rollouts {
		r := &f.Rollouts[i]
		if r.Stage != reconciler.Reverting && r.Stage != reconciler.Reverted && r.Stage != reconciler.Stuck {
			continue
		}
		if _, touched := slices.BinarySearch(rec.Touched, r.Workload); touched {
			if c.failed = now; r.Stage == reconciler.Reverting && r.Moved.After(c.last) && r.Moved.Before(now) {
				c.failed = r.Moved // before a restart
			}
			return
		}
	}
}

// ordered notes that the first orders of the commit went out.
func (t *term) ordered(plan *reconciler.Plan) {
	n := len(plan.Facts.Commits)
	if n == 0 || len(plan.Changes) == 0 {
		return
	}
	if c := t.traceOf(plan.Facts.Commits[n-1].Revision.Commit); c != nil && c.ordered.IsZero() {
		c.ordered = t.cfg.Now()
		c.phase("order", c.ordered)
	}
}
