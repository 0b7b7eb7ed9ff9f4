package forge

import (
	"context"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// tell sets the status of what is merged whenever it changes.
func (r *Review) tell(ctx context.Context) {
	for {
		s, newer := r.Cluster.Status()
		again := r.tellCommits(ctx, s)
		wait := (<-chan time.Time)(nil)
		if again > 0 {
			wait = time.After(again)
		}
		select {
		case <-ctx.Done():
			return
		case <-newer:
		case <-wait:
		}
	}
}

// tellCommits sets what changed of the newest commit, and of those before that were
// told of; it returns when to try again, zero for never.
func (r *Review) tellCommits(ctx context.Context, s *status.Status) (again time.Duration) {
	for i, c := range append([]status.Revision{s.Revision}, s.History...) {
		_, told := r.deployed[c.Commit]
		if c.Commit == "" || i > 0 && !told {
			continue
		}
		want := deployOf(r.Name, &c)
		if told && r.deployed[c.Commit] == want {
			continue
		}
		if err := r.Host.SetStatus(ctx, c.Commit, want); err != nil {
			if ctx.Err() == nil {
				r.Log.Warn("telling a commit's outcome", "rev", c.Commit, "err", err)
			}
			again = max(r.Every, waitFor(err))
			continue
		}
		if r.deployed[c.Commit] = want; want.State != Pending && i > 0 {
			delete(r.deployed, c.Commit)
		}
	}
	return again
}

// deployOf is what a commit's outcome looks like at a forge.
func deployOf(cluster string, c *status.Revision) CommitStatus {
	s := CommitStatus{Context: "bayplan/" + cluster + "/deploy", Text: string(c.Outcome)}
	switch c.Outcome {
	case reconciler.Applied, reconciler.NoEffect, reconciler.Superseded:
		s.State = Success
	case reconciler.Failed, reconciler.RolledBack:
		s.State = Failure
	case reconciler.Held:
		s.State = Failure
	default:
		s.State = Pending
	}
	if c.Reason != "" {
		s.Text += ": " + c.Reason
	}
	return s
}
