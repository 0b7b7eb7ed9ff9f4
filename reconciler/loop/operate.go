package loop

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Approve lets the held commit through whose hash begins with prefix.
func (l *Loop) Approve(ctx context.Context, prefix, actor string) (full string, err error) {
	type result struct {
		full string
		err  error
	}
	r, err := ask(ctx, l, func(t *term) result {
		full, err := t.approve(ctx, prefix, actor)
		return result{full, err}
	})
	return r.full, cmp.Or(err, r.err)
}

// approve records the approval; the decision that follows takes the commit in.
func (t *term) approve(ctx context.Context, prefix, actor string) (string, error) {
	n := len(t.facts.Commits)
	if n == 0 || t.facts.Commits[n-1].Outcome != reconciler.Held {
		return "", errdefs.ErrFailedPrecondition.WithMessage("no commit is held; see: bayplan status")
	}
	held := t.facts.Commits[n-1].Revision
	if prefix == "" || !strings.HasPrefix(held.Commit, prefix) {
		return "", errdefs.ErrNotFound.WithMessage(fmt.Sprintf("the held commit is %s, not %s", held.Short(), prefix))
	}
	now := t.cfg.Now()
	after := t.facts
	after.Approvals = append(slices.Clone(t.facts.Approvals), reconciler.Approval{Commit: held.Commit, Actor: actor, At: now})
	if extra := len(after.Approvals) - reconciler.MaxCommits; extra > 0 {
		after.Approvals = after.Approvals[extra:]
	}
	event := status.Event{Time: now, Kind: "operator", Commit: held.Commit, Actor: actor, Text: "commit " + held.Short() + " approved by " + actor}
	return held.Commit, t.note(ctx, after, event)
}

// enrolWithin bounds the wait of a joining machine for a server that is about
// to lead.
const enrolWithin = 5 * time.Second

// Enrol records that a machine joined, before it is given its certificate.
func (l *Loop) Enrol(ctx context.Context, e reconciler.Enrolment) error {
	ctx, cancel := context.WithTimeout(ctx, enrolWithin)
	defer cancel()
	result, err := ask(ctx, l, func(t *term) error { return t.enrol(ctx, e) })
	return cmp.Or(err, result)
}

func (t *term) enrol(ctx context.Context, e reconciler.Enrolment) error {
	after := t.facts
	at, known := slices.BinarySearchFunc(after.Enrolments, e.Node, compareEnrolment)
	after.Enrolments = slices.Clone(after.Enrolments)
	text := e.Node + " joined from " + e.From
	if known {
		text += " and takes the place of the machine that had this name"
		after.Enrolments[at] = e
	} else {
		after.Enrolments = slices.Insert(after.Enrolments, at, e)
	}
	return t.note(ctx, after, status.Event{Time: e.At, Kind: "node", Node: e.Node, Actor: e.From, Text: text})
}

func compareEnrolment(e reconciler.Enrolment, node string) int { return strings.Compare(e.Node, node) }

// Admit is nil unless another key holds the node's name; ErrNotLeading while
// the server cannot know. A name without a record, as after an older backup was
// restored, is taken at its certificate's word.
func (l *Loop) Admit(node, key string) error {
	in := l.current().input
	if in.Epoch == 0 {
		return ErrNotLeading
	}
	at, known := slices.BinarySearchFunc(in.Facts.Enrolments, node, compareEnrolment)
	if known && in.Facts.Enrolments[at].Key != key {
		return fmt.Errorf("another machine has joined as %s since; join anew, under a name of its own, with a line of `bayplan node token`", node)
	}
	return nil
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
