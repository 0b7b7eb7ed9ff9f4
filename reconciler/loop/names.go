package loop

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// enrolWithin bounds the wait of a joining machine for a server that is about
// to lead.
const enrolWithin = 5 * time.Second

// Enrol records that a machine joined, before it is given its certificate. An
// error that wraps [nodes.ErrNameHeld] means that the name is another's, who is
// there.
func (l *Loop) Enrol(ctx context.Context, e reconciler.Enrolment) error {
	ctx, cancel := context.WithTimeout(ctx, enrolWithin)
	defer cancel()
	result, err := ask(ctx, l, func(t *term) error { return t.enrol(ctx, e) })
	return cmp.Or(err, result)
}

func (t *term) enrol(ctx context.Context, e reconciler.Enrolment) error {
	at, known := findEnrolment(t.facts.Enrolments, e.Node)
	if t.held(e) {
		return fmt.Errorf("%w: a node %s is in the cluster and answered a moment ago; choose another --node, or stop the agent there, wait %s and join again",
			nodes.ErrNameHeld, e.Node, reconciler.UnreachableAfter)
	}
	after := t.facts
	after.Enrolments = slices.Clone(after.Enrolments)
	text := e.Node + " joined from " + e.From
	switch {
	case !known:
		after.Enrolments = slices.Insert(after.Enrolments, at, e)
	case after.Enrolments[at].Removed.IsZero():
		text += " and takes the place of the machine that had this name"
		fallthrough
	default:
		after.Enrolments[at] = e
	}
	return t.note(ctx, after, status.Event{Time: e.At, Kind: "node", Node: e.Node, Actor: e.From, Text: text})
}

func findEnrolment(all []reconciler.Enrolment, node string) (at int, known bool) {
	return slices.BinarySearchFunc(all, node, func(e reconciler.Enrolment, n string) int { return strings.Compare(e.Node, n) })
}

// held is whether the name that e asks for is another machine's, which is there.
// The same key is the same machine. A name that is known from before this
// server began gets the grace that its node has.
func (t *term) held(e reconciler.Enrolment) bool {
	at, known := findEnrolment(t.facts.Enrolments, e.Node)
	if known && (t.facts.Enrolments[at].Key == e.Key || !t.facts.Enrolments[at].Removed.IsZero()) {
		return false
	}
	return t.heard(e.Node, known)
}

// heard is whether the node is not silent for so long that it is unreachable;
// grace counts the server's start as a word of it.
func (t *term) heard(node string, grace bool) bool {
	var last time.Time
	fleet := t.cfg.Fleet.Snapshot()
	if seen := fleet.Node(node); seen != nil {
		last = seen.At
	}
	if grace && t.started.After(last) {
		last = t.started
	}
	return !last.IsZero() && t.cfg.Now().Sub(last) < reconciler.UnreachableAfter
}

// Admit is nil unless another key holds the node's name, or nobody since it was
// removed; ErrNotLeading while the server cannot know. A name without a record,
// as after an older backup was restored, is taken at its certificate's word.
func (l *Loop) Admit(node, key string) error {
	in := l.current().input
	if in.Epoch == 0 {
		return ErrNotLeading
	}
	at, known := findEnrolment(in.Facts.Enrolments, node)
	switch {
	case !known:
		return nil
	case !in.Facts.Enrolments[at].Removed.IsZero():
		return RemovedError(node)
	case in.Facts.Enrolments[at].Key != key:
		return fmt.Errorf("another machine has joined as %s since; join anew, under a name of its own, with a line of `bayplan node token`", node)
	}
	return nil
}

// RemovedError is what a node is told that an operator took out of the cluster.
func RemovedError(node string) error {
	return fmt.Errorf("%s was removed from the cluster; to join again take an empty --data-dir and a line of `bayplan node token`", node)
}
