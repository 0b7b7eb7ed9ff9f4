package loop

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// gate is a draft's way past the approved plans, where the text in force asks for
// them (schema.Gates). What the draft would do now is foreseen beside the deciding
// goroutine, as a preview is, and held against the plans whenever one comes.
type gate struct {
	// next becomes the wish once its outline is known; unknown are the images that
	// it then still waits for.
	next    wish
	unknown []string
	// turn counts the questions: an answer to an older one is not heard.
	turn int
	// outline is what next would do; nil until that is known.
	outline *reconciler.Outline
	// plans are those that it was held against last.
	plans []reconciler.PinnedPlan
}

// foreseeAgain is how long what a held commit would do is taken for granted: a
// node that comes back may have room for what found no place.
const foreseeAgain = 30 * time.Second

// pass has w become the wish, past the gate of pinned plans if there is one.
func (d *desired) pass(ctx context.Context, dr *draft, w wish, unknown []string) {
	f := &d.t.facts
	if !f.Spec.Gates.PinPlans || f.InForce(d.repo) == dr.tip.Revision.Commit {
		d.become(dr, w, unknown)
		return
	}
	dr.gate = gate{next: w, unknown: unknown, turn: dr.gate.turn + 1}
	turn, in := dr.gate.turn, d.t.input()
	in.Scratch = nil
	d.t.wg.Go(func() {
		o, err := outlineOf(in, d.repo, w)
		d.t.tell(ctx, func(*term) { d.foreseen(ctx, dr, turn, in.Facts.TakenIn(d.repo), o, err) })
	})
}

// outlineOf is what w would do on the state that in holds, as if all that is in
// force had been carried out: as a pull request is planned. A panic is a bug that
// must end nothing but the commit's way (I27).
func outlineOf(in reconciler.Input, repo string, w wish) (o *reconciler.Outline, err error) {
	defer func() {
		if r := recover(); r != nil {
			o, err = nil, fmt.Errorf("planning panicked: %v\n%s", r, debug.Stack())
		}
	}()
	base := in.Facts.Part(repo)
	p := status.Plan(in, status.Question{Repo: repo, Base: &base, Head: w.spec, Unresolved: w.unresolved})
	return &p.Outline, nil
}

// foreseen takes in what the draft would do, unless something newer was asked for,
// or another text came into force meanwhile.
func (d *desired) foreseen(ctx context.Context, dr *draft, turn int, accepted string, o *reconciler.Outline, err error) {
	g := &dr.gate
	switch {
	case d.draft != dr || g.turn != turn:
		return
	case d.t.facts.TakenIn(d.repo) != accepted:
		d.pass(ctx, dr, g.next, g.unknown)
		return
	case err != nil:
		d.log().Error("planning a commit", "rev", dr.tip.Revision.Commit, "err", err)
		g.next.unplanned = "what it would do cannot be foreseen"
	default:
		g.outline, g.plans = o, d.t.facts.Plans
		g.next.planned, g.next.unplanned = o.Outlined(reconciler.PlansOf(g.plans, d.repo))
	}
	d.commitPhase("compare")
	d.become(dr, g.next, g.unknown)
	if d.wish.unplanned != "" {
		d.t.after(ctx, foreseeAgain, func() { d.foreseeAgain(ctx, dr, turn) })
	}
}

func (d *desired) foreseeAgain(ctx context.Context, dr *draft, turn int) {
	if d.draft == dr && dr.gate.turn == turn && d.wish.unplanned != "" {
		d.pass(ctx, dr, dr.gate.next, dr.gate.unknown)
	}
}

// weigh holds a held draft against the plans that were approved meanwhile.
func (d *desired) weigh() {
	dr := d.draft
	if dr == nil || !dr.wished || dr.gate.outline == nil || d.wish.unplanned == "" || samePlans(dr.gate.plans, d.t.facts.Plans) {
		return
	}
	dr.gate.plans = d.t.facts.Plans
	d.wish.planned, d.wish.unplanned = dr.gate.outline.Outlined(reconciler.PlansOf(dr.gate.plans, d.repo))
}

// samePlans is whether both are the very same memory: what is recorded is never
// changed in place.
func samePlans(a, b []reconciler.PinnedPlan) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Pins is whether commits are held against approved plans, and the plans that wait.
func (l *Loop) Pins() (on bool, plans []reconciler.PinnedPlan) {
	f := &l.current().input.Facts
	return f.Spec.Gates.PinPlans, f.Plans
}

// Pin records that a plan was approved.
func (l *Loop) Pin(ctx context.Context, p reconciler.PinnedPlan) error {
	result, err := ask(ctx, l, func(t *term) error {
		after, err := reconciler.PinPlan(t.facts, p)
		if err != nil {
			return refusal(err)
		}
		return t.note(ctx, after, status.Event{Time: t.cfg.Now(), Kind: "operator", Commit: p.Commit, Actor: p.Actor, Text: p.Voucher.String() + " is pinned"})
	})
	return cmp.Or(err, result)
}

// Unpin records that an approval was taken back, and why.
func (l *Loop) Unpin(ctx context.Context, v reconciler.Voucher, why string) error {
	result, err := ask(ctx, l, func(t *term) error {
		return t.note(ctx, reconciler.UnpinPlan(t.facts, v.Key()), status.Event{Time: t.cfg.Now(), Kind: "operator", Commit: v.Commit, Actor: v.Actor,
			Text: v.String() + " is pinned no more: " + why})
	})
	return cmp.Or(err, result)
}

// PreviewAndPin is Preview, and records that the actor approved it.
func (l *Loop) PreviewAndPin(ctx context.Context, repo string, base *schema.Spec, head schema.Spec, actor string) (*status.Preview, error) {
	p, err := l.Preview(ctx, repo, base, head)
	if err != nil {
		return nil, err
	}
	if !p.Pinned {
		return nil, refusal(&reconciler.Refusal{Text: "no commit waits for an approved plan here: the root package says so by cluster: gates: pinPlans: true"})
	}
	if len(p.Outline.Texts) == 0 {
		return nil, refusal(&reconciler.Refusal{Text: "it changes nothing: a commit that changes nothing needs no approved plan"})
	}
	v := reconciler.Voucher{Repo: repo, Commit: head.Revision.Commit, Actor: actor, At: l.cfg.Now()}
	return p, l.Pin(ctx, reconciler.PinnedPlan{Voucher: v, Outline: p.Outline})
}
