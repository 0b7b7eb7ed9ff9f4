package loop

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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

const scope = "github.com/bayplan/bayplan/reconciler/loop"

// meter is the loop's metrics.
type meter struct {
	passes   prometheus.Histogram
	commits  *prometheus.HistogramVec
	outcomes *prometheus.CounterVec
	work     prometheus.Gauge
	blocked  prometheus.Gauge
	nodes    prometheus.Gauge
}

func newMeter(r prometheus.Registerer) *meter {
	m := &meter{
		passes: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bayplan_pass_seconds",
			Help: "Time that one decision over the whole cluster took.", Buckets: prometheus.ExponentialBuckets(1e-5, 4, 10)}),
		commits: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bayplan_commit_seconds",
			Help:    "Time from a commit's detection to the end of each phase's work; phase \"total\" is commit to healthy.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 14)}, []string{"phase"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bayplan_commits_total", Help: "Commits by outcome."}, []string{"outcome"}),
		work:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "bayplan_workloads", Help: "Workloads in force."}),
		blocked:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "bayplan_blocked", Help: "Things that want to go on and cannot."}),
		nodes:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "bayplan_nodes", Help: "Nodes that ever joined."}),
	}
	if r != nil {
		r.MustRegister(m.passes, m.commits, m.outcomes, m.work, m.blocked, m.nodes)
	}
	return m
}

func (m *meter) pass(took time.Duration) { m.passes.Observe(took.Seconds()) }

func (m *meter) observe(f *reconciler.Facts, blocked []reconciler.Blocked) {
	m.work.Set(float64(len(f.Spec.Workloads)))
	m.blocked.Set(float64(len(blocked)))
	m.nodes.Set(float64(len(f.Nodes)))
}

// commitTrace follows the commit in work: its spans and the time of each phase.
type commitTrace struct {
	commit string
	ctx    context.Context
	root   trace.Span
	began  time.Time
	last   time.Time // the end of the newest phase
	phases []reconciler.PhaseTime
	// ordered is when the first order of this commit went out; the others are
	// when the last instance that it ordered got there.
	ordered, pulled, started time.Time
}

// beginCommit opens the trace of a commit; one that was still open is ended.
func (t *term) beginCommit(ctx context.Context, tip source.Tip) {
	if t.commit != nil {
		t.commit.root.End()
		t.commit = nil
	}
	if n := len(t.facts.Commits); n > 0 && t.facts.Commits[n-1].Revision.Commit == tip.Revision.Commit && t.facts.Commits[n-1].Outcome.Ended() &&
		t.facts.Commits[n-1].Outcome != reconciler.Held {
		return // seen before a restart
	}
	c := &commitTrace{commit: tip.Revision.Commit, began: tip.Detected}
	c.ctx, c.root = otel.Tracer(scope).Start(context.WithoutCancel(ctx), "commit", trace.WithNewRoot(), trace.WithTimestamp(tip.Detected),
		trace.WithAttributes(attribute.String("bayplan.commit", tip.Revision.Commit), attribute.String("bayplan.subject", tip.Revision.Subject)))
	c.last = tip.Detected
	t.commit = c
	t.commitPhase("detect")
}

// commitPhase ends a phase that began where the one before ended.
func (t *term) commitPhase(name string) { t.commit.phase(name, t.cfg.Now()) }

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
	c.phases = append(c.phases, reconciler.PhaseTime{Name: name, Took: schema.Duration(end.Sub(c.last).Round(time.Microsecond))})
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

// followCommit notes how far the commit's instances have come, and closes its
// record with its phases once it ended.
func (t *term) followCommit(plan *reconciler.Plan, snap nodes.Snapshot, now time.Time) {
	c := t.commit
	n := len(plan.Facts.Commits)
	if c == nil || n == 0 || plan.Facts.Commits[n-1].Revision.Commit != c.commit {
		return
	}
	if plan.FactsChanged {
		c.place(plan, now)
		c.phase("plan", now)
	}
	t.letThrough(&plan.Facts.Commits[n-1], now)
	if !c.ordered.IsZero() {
		c.watch(snap, &plan.Facts, now)
	}
	if !plan.FactsChanged {
		return
	}
	plan.Facts.Commits = slices.Clone(plan.Facts.Commits)
	last := &plan.Facts.Commits[n-1]
	switch {
	case !last.Outcome.Ended():
	case last.Outcome != reconciler.Held:
		t.endCommit(last, now)
	case len(last.Phases) == 0: // it may be let through yet
		last.Phases = slices.Clone(c.phases)
	}
}

// letThrough ends the wait of a commit that was held.
func (t *term) letThrough(last *reconciler.Commit, now time.Time) {
	n := len(t.facts.Commits)
	if n == 0 || last.Outcome == reconciler.Held {
		return
	}
	if was := &t.facts.Commits[n-1]; was.Outcome == reconciler.Held && was.Revision.Commit == last.Revision.Commit {
		t.commit.phase("held", now)
	}
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

// ordered notes that the first orders of the commit went out.
func (t *term) ordered(plan *reconciler.Plan) {
	if t.commit != nil && t.commit.ordered.IsZero() && len(plan.Changes) > 0 {
		t.commit.ordered = t.cfg.Now()
		t.commit.phase("order", t.commit.ordered)
	}
}

func (t *term) endCommit(last *reconciler.Commit, now time.Time) {
	c := t.commit
	if !c.pulled.IsZero() {
		c.phase("pull", c.pulled)
	}
	if !c.started.IsZero() {
		c.phase("start", c.started)
	}
	if last.Outcome == reconciler.Applied && !c.ordered.IsZero() {
		c.phase("healthy", now)
	}
	last.Phases = c.phases
	for _, p := range c.phases {
		t.meter.commits.WithLabelValues(p.Name).Observe(p.Took.D().Seconds())
	}
	if last.Outcome == reconciler.Applied && !c.ordered.IsZero() { // it became healthy
		t.meter.commits.WithLabelValues("total").Observe(now.Sub(c.began).Seconds())
	}
	t.meter.outcomes.WithLabelValues(string(last.Outcome)).Inc()
	c.root.SetAttributes(attribute.String("bayplan.outcome", string(last.Outcome)))
	if last.Outcome == reconciler.Failed || last.Outcome == reconciler.RolledBack {
		c.root.SetStatus(codes.Error, last.Reason)
	}
	c.root.End()
	t.commit = nil
}
