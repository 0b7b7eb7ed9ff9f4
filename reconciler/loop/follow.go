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
func (d *desired) beginCommit(ctx context.Context, tip source.Tip) {
	f := &d.t.facts
	if d.commit != nil && d.commit.commit == tip.Revision.Commit { // looked at again
		if rec := d.recordOf(f.Commits, d.commit.commit); rec != nil && rec.Outcome == reconciler.Held {
			d.commitPhase("held")
		}
		return
	}
	if d.commit != nil {
		d.before = append(d.before, d.commit)
		d.commit = nil
	}
	rec := f.LastCommit(d.repo)
	if rec != nil && rec.Revision.Commit != tip.Revision.Commit {
		rec = nil
	}
	if at := slices.IndexFunc(d.before, func(c *commitTrace) bool { return rec != nil && c.commit == tip.Revision.Commit }); at >= 0 {
		d.commit = d.before[at] // the branch is back at what is in work
		d.before = slices.Delete(d.before, at, at+1)
		return
	}
	if rec != nil && rec.Outcome.Ended() && rec.Outcome != reconciler.Held {
		return // seen before a restart
	}
	d.commit = newTrace(ctx, tip)
	if rec != nil {
		d.commit.resume(rec, f)
	}
	d.commitPhase("detect")
}

// commitPhase ends a phase of the newest commit.
func (d *desired) commitPhase(name string) { d.commit.phase(name, d.t.cfg.Now()) }

// followCommit notes how far commits have come, and closes the record of each
// that has ended with its phases.
func (t *term) followCommit(ctx context.Context, plan *reconciler.Plan, snap nodes.Snapshot, now time.Time) {
	if plan.FactsChanged {
		plan.Facts.Commits = slices.Clone(plan.Facts.Commits)
	}
	for _, d := range t.repos {
		d.followCommits(ctx, plan, snap, now)
	}
}

func (d *desired) followCommits(ctx context.Context, plan *reconciler.Plan, snap nodes.Snapshot, now time.Time) {
	d.takeUp(ctx, &plan.Facts)
	d.followPassed(&plan.Facts, now)
	d.before = slices.DeleteFunc(d.before, func(c *commitTrace) bool { return d.follow(c, plan, snap, now) })
	if len(d.before) > reconciler.MaxCommits { // what has no record by now gets none
		d.before[0].root.End()
		d.before = slices.Delete(d.before, 0, 1)
	}
	if d.commit != nil && d.follow(d.commit, plan, snap, now) {
		d.commit = nil
	}
}

// followPassed gives the commits that were recorded in this pass, without ever having
// been looked at, their phases: they were seen together with the newest one.
func (d *desired) followPassed(f *reconciler.Facts, now time.Time) {
	for i := range f.Commits {
		rec := &f.Commits[i]
		if rec.Repo == d.repo && rec.Outcome == reconciler.Superseded && rec.Phases == nil && rec.Seen.Equal(now) && d.traceOf(rec.Revision.Commit) == nil {
			rec.Phases = d.commit.passed(now)
		}
	}
}

// takeUp opens the trace of the commit in work where there is none: the leader
// before this one followed it, or it had ended and goes on.
func (d *desired) takeUp(ctx context.Context, f *reconciler.Facts) {
	rec := f.LastCommit(d.repo)
	if rec == nil || rec.Outcome.Ended() || d.traceOf(rec.Revision.Commit) != nil {
		return
	}
	c := newTrace(ctx, source.Tip{Revision: rec.Revision, Detected: rec.Seen})
	c.resume(rec, f)
	d.before = append(d.before, c)
}

// traceOf is the commit's; nil for none.
func (d *desired) traceOf(commit string) *commitTrace {
	if d.commit != nil && d.commit.commit == commit {
		return d.commit
	}
	for _, c := range d.before {
		if c.commit == commit {
			return c
		}
	}
	return nil
}

// follow is about one commit, and whether it has ended.
func (d *desired) follow(c *commitTrace, plan *reconciler.Plan, snap nodes.Snapshot, now time.Time) (ended bool) {
	rec := d.recordOf(plan.Facts.Commits, c.commit)
	if rec == nil {
		return false
	}
	newest := rec == plan.Facts.LastCommit(d.repo)
	if plan.FactsChanged && newest {
		c.place(plan, now)
		c.phase("plan", now)
	}
	d.letThrough(c, rec, now)
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
	d.t.meter.ended(rec, c, now)
	return true
}

// recordOf is the newest record of the repository's commit; nil for none.
func (d *desired) recordOf(all []reconciler.Commit, commit string) *reconciler.Commit {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Repo == d.repo && all[i].Revision.Commit == commit {
			return &all[i]
		}
	}
	return nil
}

// letThrough ends the wait of a commit that was held.
func (d *desired) letThrough(c *commitTrace, rec *reconciler.Commit, now time.Time) {
	if rec.Outcome == reconciler.Held {
		return
	}
	if was := d.recordOf(d.t.facts.Commits, c.commit); was != nil && was.Outcome == reconciler.Held {
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

// ordered notes that the first orders of a repository's commit went out.
func (t *term) ordered(plan *reconciler.Plan) {
	for _, d := range t.repos {
		rec := plan.Facts.LastCommit(d.repo)
		if rec == nil || !slices.ContainsFunc(plan.Changes, func(c reconciler.Change) bool { return plan.Facts.RepoOf(c.Slot.Workload) == d.repo }) {
			continue
		}
		if c := d.traceOf(rec.Revision.Commit); c != nil && c.ordered.IsZero() {
			c.ordered = t.cfg.Now()
			c.phase("order", c.ordered)
		}
	}
}
