package loop

import (
	"context"
	"slices"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
)

const ledgerFailing = "ledger-failing"

const ledgerNext = "see that the server's data folder has room and its disk is well; it is tried again by itself"

// fail notes what keeps decisions from being carried out.
func (t *term) fail(code string, err error, next string) {
	t.log.Error("deciding", "code", code, "err", err)
	t.failing = &status.Problem{Code: code, Text: err.Error(), Next: next}
}

// proclaim makes events of what is new about problems and returns when there
// may be more. They are heard at once, and recorded as soon as the ledger takes
// them: a full disk must not be silent.
func (t *term) proclaim(ctx context.Context) (wake time.Time) {
	news, wake := t.herald.News(status.Standing(t.told()), t.cfg.Now())
	t.events.add(news)
	for _, e := range news {
		t.log.Warn(e.Text, "kind", e.Kind, "code", e.Code, "over", e.Over)
	}
	t.untold = append(t.untold, news...)
	t.untold = t.untold[max(0, len(t.untold)-ringSize):]
	if len(t.untold) == 0 || t.failing != nil {
		return wake
	}
	if err := t.won.Record(ctx, t.facts, t.facts, t.untold); err != nil {
		t.fail(ledgerFailing, err, ledgerNext)
		return t.cfg.Now().Add(retryAfter)
	}
	t.untold = nil
	return wake
}

// show publishes the state as it is now.
func (t *term) show() {
	t.publish(&view{in: t.told(), input: t.input()})
	t.meter.observe(&t.facts, t.blocked)
}

// told is what a status is made of.
func (t *term) told() status.Input {
	in := status.Input{Cluster: t.cfg.Cluster, Observed: t.cfg.Fleet.Snapshot(), Facts: t.facts, Blocked: t.blocked,
		Now: t.cfg.Now(), Started: t.started, Troubles: t.troubles()}
	for i, d := range t.repos {
		if text := d.told(); i > 0 {
			in.Others = append(in.Others, text)
		} else {
			in.Newest, in.Evaluating, in.Refused, in.Operators = text.Newest, text.Evaluating, text.Refused, text.Followed
		}
	}
	return in
}

// troubles are what the shells met, the gravest first.
func (t *term) troubles() (all []status.Problem) {
	others := t.cfg.Troubles()
	if t.failing != nil && !(t.failing.Code == ledgerFailing && slices.ContainsFunc(others, toldOfLedger)) {
		all = append(all, *t.failing)
	}
	for _, d := range t.repos {
		all = append(all, d.troubles()...)
	}
	return append(all, others...)
}

// toldOfLedger is whether a trouble is the very cause of a ledger that fails.
func toldOfLedger(p status.Problem) bool {
	return p.Code == "disk-low" || p.Code == "ledger-unreachable"
}
