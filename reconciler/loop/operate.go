package loop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Approve lets the held commit through whose hash begins with prefix. One that was
// held for its signatures has been looked at when it returns, unless that takes
// long: what is told of it then is what it asks for.
func (l *Loop) Approve(ctx context.Context, prefix, actor string) (full string, err error) {
	type result struct {
		full string
		err  error
	}
	r, err := ask(ctx, l, func(t *term) result {
		full, err := t.approve(ctx, prefix, actor)
		return result{full, err}
	})
	if err = cmp.Or(err, r.err); err == nil {
		l.lookedAt(ctx, r.full)
	}
	return r.full, err
}

// approvePatience is how long an approval waits for the text to be evaluated.
const approvePatience = 10 * time.Second

// lookedAt waits until the commit is no longer one whose text is not known.
func (l *Loop) lookedAt(ctx context.Context, commit string) {
	ctx, cancel := context.WithTimeout(ctx, approvePatience)
	defer cancel()
	for ctx.Err() == nil {
		v := l.current()
		all := v.in.Facts.Commits
		if n := len(all); n == 0 || all[n-1].Revision.Commit != commit || !all[n-1].Unverified {
			return
		}
		select {
		case <-v.newer:
		case <-ctx.Done():
		}
	}
}

// approve records the approval; the decision that follows takes the commit in.
func (t *term) approve(ctx context.Context, prefix, actor string) (string, error) {
	n := len(t.facts.Commits)
	if text := t.approvedBefore(prefix); text != "" {
		return "", errdefs.ErrFailedPrecondition.WithMessage(text)
	}
	if n == 0 || t.facts.Commits[n-1].Outcome != reconciler.Held {
		return "", errdefs.ErrFailedPrecondition.WithMessage("no commit is held; see: bayplan status")
	}
	held, unverified := t.facts.Commits[n-1].Revision, t.facts.Commits[n-1].Unverified
	if prefix == "" || !strings.HasPrefix(held.Commit, prefix) {
		return "", errdefs.ErrNotFound.WithMessage(fmt.Sprintf("the held commit is %s, not %s", held.Short(), prefix))
	}
	now := t.cfg.Now()
	after := t.facts
	after.Approvals = append(slices.Clone(t.facts.Approvals), reconciler.Approval{Commit: held.Commit, Actor: actor, At: now, Signature: unverified})
	if extra := len(after.Approvals) - reconciler.MaxCommits; extra > 0 {
		after.Approvals = after.Approvals[extra:]
	}
	event := status.Event{Time: now, Kind: "operator", Commit: held.Commit, Actor: actor, Text: "commit " + held.Short() + " approved by " + actor}
	if unverified {
		event.Text += ", whatever its signatures are"
	}
	return held.Commit, t.note(ctx, after, event)
}

// approvedBefore tells a second operator that another approved the newest commit;
// empty where none has, or another commit is meant.
func (t *term) approvedBefore(prefix string) string {
	n := len(t.facts.Commits)
	if n == 0 || prefix == "" || t.facts.Commits[n-1].Approved == nil {
		return ""
	}
	c := &t.facts.Commits[n-1]
	if c.Outcome == reconciler.Held || !strings.HasPrefix(c.Revision.Commit, prefix) {
		return ""
	}
	return fmt.Sprintf("commit %s was approved by %s at %s; see: bayplan status", c.Revision.Short(), c.Approved.Actor, c.Approved.At.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// Operate grants an operator's wish and records it with who, why and when (I39),
// or tells why not. It returns once the decision that follows is made.
func (l *Loop) Operate(ctx context.Context, w reconciler.Wish) (reconciler.Granted, error) {
	type result struct {
		granted reconciler.Granted
		err     error
	}
	r, err := ask(ctx, l, func(t *term) result {
		g, err := t.operate(ctx, w)
		return result{g, err}
	})
	return r.granted, cmp.Or(err, r.err)
}

func (t *term) operate(ctx context.Context, w reconciler.Wish) (reconciler.Granted, error) {
	w.At = t.cfg.Now()
	after, g, err := reconciler.Grant(t.facts, w)
	if err != nil {
		return g, refusal(err)
	}
	return g, t.note(ctx, after, status.Event{Time: w.At, Kind: "operator", Workload: g.Workload, Node: g.Node, Actor: w.Actor, Text: g.Text, Serving: g.Serving})
}

// refusal gives a refused wish the kind that callers know errors by.
func refusal(err error) error {
	var r *reconciler.Refusal
	switch {
	case !errors.As(err, &r):
		return err
	case r.Unknown:
		return errdefs.ErrNotFound.WithMessage(r.Text)
	}
	return errdefs.ErrFailedPrecondition.WithMessage(r.Text)
}

// note records facts that someone changed outside a decision, with the event
// that says who and what.
func (t *term) note(ctx context.Context, after reconciler.Facts, e status.Event) error {
	events := []status.Event{e}
	if err := t.won.Record(ctx, t.facts, after, events); err != nil {
		return err
	}
	t.facts = after
	t.events.add(events)
	t.show()
	return nil
}

// Note records what an operator is about to do that no decision tells of.
func (l *Loop) Note(ctx context.Context, node, actor, text string) error {
	result, err := ask(ctx, l, func(t *term) error {
		return t.note(ctx, t.facts, status.Event{Time: t.cfg.Now(), Kind: "operator", Node: node, Actor: actor, Text: text})
	})
	return cmp.Or(err, result)
}
