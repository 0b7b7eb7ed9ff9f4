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

// Approve lets the held commit through whose hash begins with name, or with what
// follows its repository's name and a colon. One that was held for its signatures
// has been looked at when it returns, unless that takes long: what is told of it
// then is what it asks for.
func (l *Loop) Approve(ctx context.Context, name, actor string) (full string, err error) {
	type result struct {
		held *reconciler.Commit
		err  error
	}
	r, err := ask(ctx, l, func(t *term) result {
		held, err := t.approve(ctx, name, actor)
		return result{held, err}
	})
	if err = cmp.Or(err, r.err); err != nil {
		return "", err
	}
	l.lookedAt(ctx, r.held)
	return r.held.Revision.Commit, nil
}

// approvePatience is how long an approval waits for the text to be evaluated.
const approvePatience = 10 * time.Second

// lookedAt waits until the commit is no longer one whose text is not known.
func (l *Loop) lookedAt(ctx context.Context, held *reconciler.Commit) {
	ctx, cancel := context.WithTimeout(ctx, approvePatience)
	defer cancel()
	for ctx.Err() == nil {
		v := l.current()
		c := v.in.Facts.LastCommit(held.Repo)
		if c == nil || c.Revision.Commit != held.Revision.Commit || !c.Unverified {
			return
		}
		select {
		case <-v.newer:
		case <-ctx.Done():
		}
	}
}

// approve records the approval; the decision that follows takes the commit in.
func (t *term) approve(ctx context.Context, name, actor string) (*reconciler.Commit, error) {
	if text := t.approvedBefore(name); text != "" {
		return nil, errdefs.ErrFailedPrecondition.WithMessage(text)
	}
	held, err := t.heldCommit(name)
	if err != nil {
		return nil, err
	}
	now := t.cfg.Now()
	after := t.facts
	after.Approvals = append(slices.Clone(t.facts.Approvals),
		reconciler.Approval{Commit: held.Revision.Commit, Repo: held.Repo, Actor: actor, At: now, Signature: held.Unverified})
	if extra := len(after.Approvals) - reconciler.MaxCommits; extra > 0 {
		after.Approvals = after.Approvals[extra:]
	}
	event := status.Event{Time: now, Kind: "operator", Commit: held.Revision.Commit, Actor: actor, Text: "commit " + nameOf(held) + " approved by " + actor}
	if held.Unverified {
		event.Text += ", whatever its signatures are"
	}
	return held, t.note(ctx, after, event)
}

// heldCommit is the one that is held and whose name begins so.
func (t *term) heldCommit(name string) (*reconciler.Commit, error) {
	var held, meant []*reconciler.Commit
	for _, c := range t.inWork() {
		if c.Outcome != reconciler.Held {
			continue
		}
		if held = append(held, c); named(c, name) {
			meant = append(meant, c)
		}
	}
	switch {
	case len(held) == 0:
		return nil, errdefs.ErrFailedPrecondition.WithMessage("no commit is held; see: bayplan status")
	case len(meant) == 0 && len(held) == 1:
		return nil, errdefs.ErrNotFound.WithMessage(fmt.Sprintf("the held commit is %s, not %s", nameOf(held[0]), name))
	case len(meant) == 0:
		return nil, errdefs.ErrNotFound.WithMessage(fmt.Sprintf("the held commits are %s, and none is %s", namesOf(held), name))
	case len(meant) > 1:
		return nil, errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("%s is held in several repositories; say which: %s", name, namesOf(meant)))
	}
	return meant[0], nil
}

// inWork are the commits in work of the repositories that are followed.
func (t *term) inWork() (all []*reconciler.Commit) {
	for _, d := range t.repos {
		if c := t.facts.LastCommit(d.repo); c != nil {
			all = append(all, c)
		}
	}
	return all
}

// named is whether a commit is meant by the beginning of its hash, or by that after
// its repository's name and a colon.
func named(c *reconciler.Commit, name string) bool {
	if repo, prefix, said := strings.Cut(name, ":"); said {
		return repo == c.Repo && prefix != "" && strings.HasPrefix(c.Revision.Commit, prefix)
	}
	return name != "" && strings.HasPrefix(c.Revision.Commit, name)
}

// nameOf is how a commit is named to the verbs.
func nameOf(c *reconciler.Commit) string {
	if c.Repo == "" {
		return c.Revision.Short()
	}
	return c.Repo + ":" + c.Revision.Short()
}

func namesOf(all []*reconciler.Commit) string {
	texts := make([]string, len(all))
	for i, c := range all {
		texts[i] = nameOf(c)
	}
	return strings.Join(texts, ", ")
}

// approvedBefore tells a second operator that another approved a commit in work;
// empty where none has, or another commit is meant.
func (t *term) approvedBefore(name string) string {
	for _, c := range t.inWork() {
		if c.Approved == nil || c.Outcome == reconciler.Held || !named(c, name) {
			continue
		}
		return fmt.Sprintf("commit %s was approved by %s at %s; see: bayplan status", nameOf(c), c.Approved.Actor, c.Approved.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return ""
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
