package source

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/bayplan/bayplan/schema"
)

// watching is one run of Watch.
type watching struct {
	s    *Source
	sink func(Update)
	pace pace
	// delivered is the commit of the last Tip, trouble the one in force. former is
	// the last Tip too, or that of an earlier run.
	delivered, former string
	trouble           *Trouble
}

// Watch looks until ctx ends and tells sink, from this goroutine, what changed:
// first the present commit (or the last good one of the mirror, with the
// Trouble, if the remote cannot be had), then each new one, and each Trouble and
// its end. A Tip comes once more when its files had become unreadable and can be
// read again. Watch returns ctx's error, or why it could not begin.
func (s *Source) Watch(ctx context.Context, sink func(Update)) error {
	stop, err := s.remote.listen(s.nudge)
	if err != nil {
		s.log.Warn("changes on disk are not seen at once; polling instead", "err", err)
	} else {
		defer stop()
	}
	w := &watching{s: s, sink: sink, pace: pace{poll: s.cfg.Poll, random: rand.Float64}, former: s.lastAccepted()}
	for ctx.Err() == nil {
		wait := w.look(ctx)
		if !w.sleep(ctx, wait) {
			s.tidy(ctx)
		}
	}
	return ctx.Err()
}

// look looks once, tells what changed, and says how long to wait.
func (w *watching) look(ctx context.Context) time.Duration {
	began := time.Now()
	tip, err := w.s.look(ctx, began)
	if w.s.redeliver() {
		w.delivered = ""
	}
	if ctx.Err() != nil {
		return 0
	}
	if err != nil {
		f := w.s.faultOf(err)
		w.fail(ctx, f, revisionIn(err), began)
		return w.pace.next(f)
	}
	w.succeed(ctx, tip)
	return w.pace.next(nil)
}

func (w *watching) succeed(ctx context.Context, tip Tip) {
	if tip.Revision.Commit == w.delivered && w.trouble == nil {
		return
	}
	u := Update{}
	if tip.Revision.Commit != w.delivered {
		u.Tip, u.Passed = &tip, w.passed(ctx, tip.Revision.Commit)
		w.s.log.Info("git commit seen", "rev", tip.Revision.Short())
	}
	w.delivered, w.former, w.trouble = tip.Revision.Commit, tip.Revision.Commit, nil
	w.sink(u)
}

// passed are the commits between the last Tip and to.
func (w *watching) passed(ctx context.Context, to string) []schema.Revision {
	return w.s.current.Load().passed(ctx, plumbing.NewHash(w.former), plumbing.NewHash(to))
}

// revisionIn is the commit that err is about, if it is about one.
func revisionIn(err error) schema.Revision {
	if a, ok := errors.AsType[*about](err); ok {
		return a.revision
	}
	return schema.Revision{}
}

func (w *watching) fail(ctx context.Context, f *fault, commit schema.Revision, now time.Time) {
	t := &Trouble{Code: f.code, Text: oneLine(f.Error()), Next: f.next, Since: now, About: commit}
	if w.trouble != nil && w.trouble.Code == t.Code {
		t.Since = w.trouble.Since
		if w.trouble.Text == t.Text {
			return
		}
	}
	w.trouble = t
	w.s.log.Warn("git remote", "code", t.Code, "err", t.Text)
	w.sink(Update{Tip: w.fallback(now), Trouble: t, Passed: w.passed(ctx, commit.Commit)})
}

// fallback is the mirror's last good commit, for a server that starts while its
// remote cannot be had; nil once anything was delivered.
func (w *watching) fallback(now time.Time) *Tip {
	if w.delivered != "" {
		return nil
	}
	tip, err := w.s.accepted(now)
	if err != nil {
		w.s.log.Warn("git mirror", "err", err)
	}
	if tip != nil {
		w.delivered = tip.Revision.Commit
	}
	return tip
}

// sleep waits until it is time or something calls; it says whether it was
// called.
func (w *watching) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
		return false
	case <-w.s.wake:
	}
	if w.s.poked.Swap(false) {
		w.pace.reset()
	}
	return true
}
