package loop

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
)

// term is the state of the deciding goroutine while it leads.
type term struct {
	*Loop
	won     Term
	started time.Time
	facts   reconciler.Facts
	seen    nodes.Snapshot // of the pass before, for events
	blocked []reconciler.Blocked
	scratch reconciler.Scratch

	// repos are the repositories that are followed, the operators' first.
	repos []*desired
	// operators is the operators' commit that the others are evaluated by.
	operators string
	failing   *status.Problem // why the last decision could not be recorded
	herald    *status.Herald
	// untold are events of the herald that are not in the ledger yet.
	untold []status.Event

	// answers are given once the next decision is made.
	answers []func()

	wg sync.WaitGroup
}

// maxPasses bounds how many passes follow each other without a look at the
// world: enough for a decision to settle, and no more than a moment's work.
const maxPasses = 16

// unsettled is the wait before passes go on that did not settle.
const unsettled = 100 * time.Millisecond

// retryAfter is the wait before deciding again after a decision could not be
// recorded.
const retryAfter = time.Second

func newTerm(l *Loop, won Term, facts reconciler.Facts) *term {
	told, _ := l.Events(0)
	t := &term{Loop: l, won: won, started: l.cfg.Now(), facts: facts, operators: facts.InForce(""), herald: status.NewHerald(told)}
	for i, r := range l.repos() {
		d := newDesired(t, r)
		if i > 0 {
			d.repo = r.Name
		}
		t.repos = append(t.repos, d)
	}
	return t
}

// run decides until ctx ends or the term is lost.
func (t *term) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer t.wg.Wait()
	defer cancel()
	defer t.cfg.Fleet.Decided(time.Time{})
	t.settleNodes()
	for i := range t.facts.Nodes {
		if a := t.facts.Nodes[i].Assignment; a.Version != (nodes.Version{}) {
			t.cfg.Fleet.Assign(a)
		}
	}
	for _, d := range t.repos {
		t.wg.Go(func() { t.watch(ctx, d) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due := t.cfg.Now(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.won.Lost():
			t.log.Warn("no longer leading", "epoch", t.won.Epoch())
			return nil
		case <-t.cfg.Fleet.Changed():
		case f := <-t.inbox:
			f(t)
			t.drainInbox()
		case <-timer.C:
		}
		t.excuse(due)
		due = t.decide(ctx)
		timer.Reset(max(due.Sub(t.cfg.Now()), time.Millisecond))
		t.answer()
	}
}

// excuse gives every node its full grace anew where this process itself was
// held up, paused or suspended: what the nodes sent meanwhile is not read yet
// (I22).
func (t *term) excuse(due time.Time) {
	if now := t.cfg.Now(); now.Sub(due) > heldUp {
		t.log.Warn("the server was held up", "for", now.Sub(due))
		t.started = now
	}
}

// heldUp is how late a decision may be before the server takes it that it was
// paused, in which case the nodes' silence proves nothing.
const heldUp = 10 * time.Second

func (t *term) answer() {
	for _, f := range t.answers {
		f()
	}
	t.answers = nil
}

// drainInbox handles what else has come, so that one decision serves all.
func (t *term) drainInbox() {
	for {
		select {
		case f := <-t.inbox:
			f(t)
		default:
			return
		}
	}
}

// watch follows a source; if it stops by itself, that is told and it is started
// anew.
func (t *term) watch(ctx context.Context, d *desired) {
	for ctx.Err() == nil {
		err := d.source.Watch(ctx, func(u source.Update) {
			t.tell(ctx, func(*term) { d.sourced(ctx, u) })
		})
		if ctx.Err() != nil {
			return
		}
		d.log().Error("watching the repository ended; starting again", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

// sourced takes in what the source says.
func (d *desired) sourced(ctx context.Context, u source.Update) {
	d.trouble = u.Trouble
	if u.Trouble != nil {
		d.log().Warn("repository", "code", u.Trouble.Code, "text", u.Trouble.Text)
	}
	if u.Tip != nil {
		d.warnings = u.Tip.Warnings
		d.moveTo(u.Tip.Revision, u.Passed)
		d.tip(ctx, *u.Tip)
	}
	if u.Trouble != nil && u.Trouble.About.Commit != "" {
		d.moveTo(u.Trouble.About, u.Passed)
		d.refuse(u.Trouble.About, []string{u.Trouble.Text})
	}
}

// decide passes until nothing changes, tells of it and returns when to look
// again.
func (t *term) decide(ctx context.Context) (wake time.Time) {
	for _, d := range t.repos {
		d.reconsider(ctx)
		d.weigh()
	}
	wake = t.settle(ctx)
	if more := t.proclaim(ctx); !more.IsZero() && more.Before(wake) {
		wake = more
	}
	t.show()
	return wake
}

// settle passes until nothing changes and returns when to look again.
func (t *term) settle(ctx context.Context) (wake time.Time) {
	far := t.cfg.Now().Add(time.Minute)
	for range maxPasses {
		began := t.cfg.Now()
		plan, err := t.pass()
		if err != nil {
			t.fail("decision-failing", err, "please report this; what runs goes on running")
			return t.cfg.Now().Add(retryAfter)
		}
		t.blocked = plan.Blocked
		t.meter.pass(t.cfg.Now().Sub(began))
		if err := t.carryOut(ctx, &plan); err != nil {
			t.fail(ledgerFailing, err, ledgerNext)
			return t.cfg.Now().Add(retryAfter)
		}
		t.failing = nil
		t.cfg.Fleet.Decided(began)
		if wake = plan.Wake; !plan.FactsChanged {
			break
		}
		wake = t.cfg.Now().Add(unsettled)
	}
	if wake.IsZero() || wake.After(far) {
		wake = far
	}
	return wake
}

// pass calls Reconcile. A panic in it is a bug that must not end the server
// (I27): nothing changes and the bug is told.
func (t *term) pass() (plan reconciler.Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			t.log.Error("deciding panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("deciding panicked: %v", r)
		}
	}()
	return reconciler.Reconcile(t.input()), nil
}

func (t *term) input() reconciler.Input {
	in := reconciler.Input{
		Observed: t.cfg.Fleet.Snapshot(), Facts: t.facts,
		Now: t.cfg.Now(), Epoch: t.won.Epoch(), Started: t.started,
		Scratch: &t.scratch,
	}
	for _, d := range t.repos {
		in.Put(d.asks())
	}
	return in
}

// carryOut records what the pass decided, then hands out the orders.
func (t *term) carryOut(ctx context.Context, plan *reconciler.Plan) error {
	snap := t.cfg.Fleet.Snapshot()
	now := t.cfg.Now()
	events := status.Happened(&t.facts, t.seen, snap, now)
	t.followCommit(ctx, plan, snap, now)
	if plan.FactsChanged {
		events = append(events, status.Decided(&t.facts, plan, now)...)
	}
	if !plan.FactsChanged && len(events) == 0 {
		return nil
	}
	if err := t.won.Record(ctx, t.facts, plan.Facts, events); err != nil {
		return err
	}
	t.facts, t.seen = plan.Facts, snap
	t.events.add(events)
	for _, d := range t.repos {
		if d.passedOver() != nil {
			d.overtaken = nil
		}
	}
	t.operatorsMoved(ctx)
	t.settleNodes()
	for _, a := range plan.Assignments {
		t.cfg.Fleet.Assign(a)
	}
	t.ordered(plan)
	for _, e := range events {
		t.log.Info(e.Text, "kind", e.Kind, "workload", e.Workload, "slot", e.Slot, "node", e.Node)
	}
	return nil
}

// settleNodes tells the nodes what the accepted text says for all of them; that it
// is the same as before costs nothing.
func (t *term) settleNodes() {
	t.cfg.Fleet.Settle(nodes.Settings{Registries: t.facts.Spec.Registries})
}
