package loop

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/schema"
)

// commitTrace follows one commit to its end: its spans and the time of each phase.
type commitTrace struct {
	commit string
	ctx    context.Context
	root   trace.Span
	began  time.Time
	last   time.Time // the end of the newest phase
	phases []reconciler.PhaseTime
	// ordered is when the first order of this commit went out, failed when it was
	// first seen to go back; the others are when the last instance that it ordered
	// got there.
	ordered, failed, pulled, started time.Time
}

// newTrace opens the trace of a tip.
func newTrace(ctx context.Context, tip source.Tip) *commitTrace {
	c := &commitTrace{commit: tip.Revision.Commit, began: tip.Detected, last: tip.Detected}
	c.ctx, c.root = otel.Tracer(scope).Start(context.WithoutCancel(ctx), "commit", trace.WithNewRoot(), trace.WithTimestamp(tip.Detected),
		trace.WithAttributes(attribute.String("bayplan.commit", tip.Revision.Commit), attribute.String("bayplan.subject", tip.Revision.Subject)))
	return c
}

// resume goes on with the phases of a commit that another leader has followed so
// far. What it did not record any more belongs to the phase that comes next.
func (c *commitTrace) resume(rec *reconciler.Commit, f *reconciler.Facts) {
	c.phases, c.last = rec.Phases, rec.Seen
	seen := false // the record begins as the commit is decided on
	for _, p := range rec.Phases {
		if seen {
			c.last = c.last.Add(p.Took.D())
		}
		seen = seen || p.Name == "plan"
	}
	if c.hasOrdered(f) {
		c.ordered = c.last
		c.phase("order", c.last)
	}
}

// hasOrdered is whether anything is ordered that the commit asked for.
func (c *commitTrace) hasOrdered(f *reconciler.Facts) bool {
	for i := range f.Nodes {
		orders := f.Nodes[i].Assignment.Orders
		for j := range orders {
			if orders[j].Commit == c.commit {
				return true
			}
		}
	}
	return false
}

// passed are the phases of a commit that this one came with and replaced at now.
func (c *commitTrace) passed(now time.Time) []reconciler.PhaseTime {
	if c == nil {
		return nil
	}
	detected := schema.Duration(0)
	if len(c.phases) > 0 && c.phases[0].Name == "detect" {
		detected = c.phases[0].Took
	}
	over := max(now.Sub(c.began)-detected.D(), 0).Round(time.Microsecond)
	return []reconciler.PhaseTime{{Name: "detect", Took: detected}, {Name: "superseded", Took: schema.Duration(over)}}
}

// phase ends one that began where the one before ended; one that was there before
// does not end again.
func (c *commitTrace) phase(name string, end time.Time) {
	if c == nil || end.Before(c.last) {
		return
	}
	for i := range c.phases {
		if c.phases[i].Name == name {
			return
		}
	}
	_, span := otel.Tracer(scope).Start(c.ctx, name, trace.WithTimestamp(c.last))
	span.End(trace.WithTimestamp(end))
	took := schema.Duration(end.Sub(c.last).Round(time.Microsecond))
	c.phases = append(c.phases[:len(c.phases):len(c.phases)], reconciler.PhaseTime{Name: name, Took: took})
	c.last = end
}

// maxPlaced bounds the events of one "place" span.
const maxPlaced = 100

// place is a span under the commit that tells where its instances were put, and
// how each place was chosen.
func (c *commitTrace) place(plan *reconciler.Plan, end time.Time) {
	placed := 0
	var span trace.Span
	for i := range plan.Changes {
		x := &plan.Changes[i]
		if x.Stop {
			continue
		}
		if span == nil {
			_, span = otel.Tracer(scope).Start(c.ctx, "place", trace.WithTimestamp(c.last))
		}
		if placed++; placed <= maxPlaced {
			span.AddEvent(x.Slot.String(), trace.WithTimestamp(end), trace.WithAttributes(
				attribute.String("bayplan.node", x.Node), attribute.Int("bayplan.score", x.Score.Total())))
		}
	}
	if span != nil {
		span.SetAttributes(attribute.Int("bayplan.placed", placed))
		span.End(trace.WithTimestamp(end))
	}
}

// parent is the traceparent for orders; "" without a trace that is sampled.
func (c *commitTrace) parent() string {
	if c == nil || !c.root.SpanContext().IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(c.ctx, carrier)
	return carrier.Get("traceparent")
}

// watch notes since when everything that the commit has ordered so far is pulled,
// and since when everything is started.
func (c *commitTrace) watch(snap nodes.Snapshot, f *reconciler.Facts, now time.Time) {
	some, pulled, started := false, true, true
	for i := range f.Nodes {
		orders := f.Nodes[i].Assignment.Orders
		seen := snap.Node(f.Nodes[i].Name)
		for j := range orders {
			if orders[j].Stop || orders[j].Commit != c.commit {
				continue
			}
			some = true
			phase := nodes.Assigned
			if seen != nil {
				if inst := seen.Report.Instance(orders[j].ID); inst != nil {
					phase = inst.Phase
				}
			}
			pulled = pulled && phase >= nodes.Starting
			started = started && phase >= nodes.Running
		}
	}
	c.pulled, c.started = sinceWhen(c.pulled, some && pulled, now), sinceWhen(c.started, some && started, now)
}

// sinceWhen is since when something holds; zero while it does not.
func sinceWhen(before time.Time, holds bool, now time.Time) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case before.IsZero():
		return now
	}
	return before
}

// end closes the trace with the phase that the outcome ends, and writes the phases
// into the commit's record.
func (c *commitTrace) end(rec *reconciler.Commit, now time.Time) {
	c.arrived()
	switch rec.Outcome {
	case reconciler.Applied:
		if !c.ordered.IsZero() {
			c.phase("healthy", now)
		}
	case reconciler.Superseded:
		c.phase("superseded", now)
	case reconciler.RolledBack:
		if !c.failed.IsZero() {
			c.phase("fail", c.failed)
		}
		c.phase("back", now)
	case reconciler.Failed:
		if now.After(c.last) { // not where it was refused as it was read
			c.phase("fail", now)
		}
	}
	rec.Phases = c.phases
	c.root.SetAttributes(attribute.String("bayplan.outcome", string(rec.Outcome)))
	if rec.Outcome == reconciler.Failed || rec.Outcome == reconciler.RolledBack {
		c.root.SetStatus(codes.Error, rec.Reason)
	}
	c.root.End()
}

// arrived ends the phases of the instances that the commit had started. What
// comes up after it failed is of the way back.
func (c *commitTrace) arrived() {
	until := func(at time.Time) bool { return !at.IsZero() && (c.failed.IsZero() || !at.After(c.failed)) }
	if until(c.pulled) {
		c.phase("pull", c.pulled)
	}
	if until(c.started) {
		c.phase("start", c.started)
	}
}
