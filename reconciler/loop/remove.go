package loop

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// RemoveNode takes a node out of the cluster: its certificate counts no more,
// and what it was to run is wanted elsewhere. Unless it is forced, a node that
// is heard, has work or holds volumes stays. The caller ends the node's session
// and forgets its reports.
func (l *Loop) RemoveNode(ctx context.Context, node string, force bool, actor string) error {
	result, err := ask(ctx, l, func(t *term) error { return t.remove(ctx, node, force, actor) })
	return cmp.Or(err, result)
}

func (t *term) remove(ctx context.Context, node string, force bool, actor string) error {
	fact, known := findNode(t.facts.Nodes, node)
	at, enrolled := findEnrolment(t.facts.Enrolments, node)
	if !known && (!enrolled || !t.facts.Enrolments[at].Removed.IsZero()) {
		return errdefs.ErrNotFound.WithMessage("there is no node " + node + "; see: bayplan node ls")
	}
	held := t.holdings(node)
	if len(held) > 0 && !force {
		return errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("node %s %s; see to that first, or remove it all the same with: bayplan node rm --force %s",
			node, strings.Join(held, ", "), node))
	}
	after, now := t.facts, t.cfg.Now()
	if known {
		after.Nodes = slices.Delete(slices.Clone(after.Nodes), fact, fact+1)
	}
	after.Cordons = slices.DeleteFunc(slices.Clone(after.Cordons), func(c reconciler.Cordon) bool { return c.Node == node })
	after.Volumes = slices.DeleteFunc(slices.Clone(after.Volumes), func(v reconciler.VolumeFact) bool { return v.Node == node })
	after.Enrolments = withTombstone(after.Enrolments, reconciler.Enrolment{Node: node, From: actor, At: now, Removed: now})
	text := "node " + node + " removed by " + actor
	if len(held) > 0 {
		text += ", though it " + strings.Join(held, ", ")
	}
	return t.note(ctx, after, status.Event{Time: now, Kind: "operator", Node: node, Actor: actor, Text: text})
}

func findNode(all []reconciler.NodeFact, node string) (at int, known bool) {
	return slices.BinarySearchFunc(all, node, func(f reconciler.NodeFact, n string) int { return strings.Compare(f.Name, n) })
}

// holdings is what speaks against the removal of a node, as ends of a sentence.
func (t *term) holdings(node string) (held []string) {
	if t.heard(node, true) {
		held = append(held, fmt.Sprintf("answered less than %s ago", reconciler.UnreachableAfter))
	}
	if at, known := findNode(t.facts.Nodes, node); known {
		if n := working(&t.facts.Nodes[at].Assignment); n > 0 {
			held = append(held, fmt.Sprintf("has work (%d)", n))
		}
	}
	var volumes []string
	for _, v := range t.facts.Volumes {
		if v.Node == node {
			volumes = append(volumes, v.Slot.String())
		}
	}
	if len(volumes) > 0 {
		held = append(held, "holds the volumes of "+strings.Join(volumes, ", "))
	}
	return held
}

// working is how many instances the node is to run.
func working(a *nodes.Assignment) (count int) {
	for i := range a.Orders {
		if !a.Orders[i].Stop {
			count++
		}
	}
	return count
}

// tombstoneLife is how long it is remembered that a node was removed: far longer
// than its certificate lives.
const tombstoneLife = 365 * 24 * time.Hour

// withTombstone is all with e for the name's enrolment, and without tombstones
// that no certificate is left to match.
func withTombstone(all []reconciler.Enrolment, e reconciler.Enrolment) []reconciler.Enrolment {
	all = slices.DeleteFunc(slices.Clone(all), func(x reconciler.Enrolment) bool {
		return x.Node == e.Node || !x.Removed.IsZero() && e.At.Sub(x.Removed) > tombstoneLife
	})
	at, _ := findEnrolment(all, e.Node)
	return slices.Insert(all, at, e)
}
