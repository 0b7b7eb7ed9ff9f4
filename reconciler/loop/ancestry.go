package loop

import (
	"context"
	"fmt"
)

// askTries is how often the source is asked about a commit's past before the
// commit is held to be safe.
const askTries = 5

// surely asks the source until it has an answer; what is the question.
func surely[T any](ctx context.Context, d *desired, what, commit string, ask func() (T, error)) (answer T, err error) {
	for range askTries {
		if answer, err = ask(); err == nil {
			return answer, nil
		}
		d.t.log.Warn(what, "rev", commit, "err", err)
		if !sleep(ctx, retryAfter) {
			break
		}
	}
	return answer, err
}

// descends is whether the commit in force is among to's ancestors (I12).
func (d *desired) descends(ctx context.Context, from, to string) bool {
	if from == "" || from == to {
		return true
	}
	ok, err := surely(ctx, d, "looking for a commit's ancestors", to, func() (bool, error) { return d.source.Descends(ctx, from, to) })
	return ok && err == nil
}

// verify is why nobody vouches for what to brings on top of the commit in force;
// "" where someone does. It comes before the text is looked at: what a stranger
// wrote is neither evaluated nor are its images asked for.
func (d *desired) verify(ctx context.Context, from, to string) string {
	why, err := surely(ctx, d, "checking a commit's signatures", to, func() (string, error) { return d.source.Verify(ctx, from, to) })
	if err != nil {
		return fmt.Sprintf("its signatures cannot be checked: %v", err)
	}
	return why
}

// doubt has a commit held that nobody vouches for, unless a newer tip has come
// meanwhile.
func (d *desired) doubt(dr *draft, why string) {
	d.busy = nil
	if d.draft != dr {
		return
	}
	d.draft, d.doubted = nil, dr
	d.commitPhase("verify")
	d.withoutText(dr.tip.Revision, wish{unverified: why})
}

// reconsider goes on with a doubted commit that an operator has let through.
func (d *desired) reconsider(ctx context.Context) {
	dr := d.doubted
	if dr == nil || !d.t.facts.TrustedBy(d.repo, dr.tip.Revision.Commit) {
		return
	}
	d.commitPhase("held")
	d.start(ctx, dr)
}
