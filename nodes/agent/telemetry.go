package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/bayplan/bayplan/nodes"
)

// telemetry is what the agent tells of itself besides its Report.
type telemetry struct {
	instances         *prometheus.GaugeVec
	actions           *prometheus.HistogramVec
	failures          *prometheus.CounterVec
	restarts          prometheus.Counter
	epoch, serialKept prometheus.Gauge
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		instances: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bayplan_agent_instances", Help: "Instances on this node by phase.",
		}, []string{"phase"}),
		actions: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bayplan_agent_actions_seconds", Help: "How long actions took, by action.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 11),
		}, []string{"action"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bayplan_agent_failures_total", Help: "What went wrong with instances, by code.",
		}, []string{"code"}),
		restarts:   prometheus.NewCounter(prometheus.CounterOpts{Name: "bayplan_agent_restarts_total", Help: "Lives of containers after their first."}),
		epoch:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "bayplan_agent_assignment_epoch", Help: "Epoch of the assignment that the node lives by."}),
		serialKept: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bayplan_agent_assignment_serial", Help: "Serial of the assignment that the node lives by."}),
	}
	for p := nodes.Assigned; p <= nodes.Stopped; p++ {
		t.instances.WithLabelValues(p.String())
	}
	if reg != nil {
		reg.MustRegister(t.instances, t.actions, t.failures, t.restarts, t.epoch, t.serialKept)
	}
	return t
}

func (t *telemetry) assigned(v nodes.Version) {
	t.epoch.Set(float64(v.Epoch))
	t.serialKept.Set(float64(v.Serial))
}

// tracer is looked up at each use, so that the provider may be set later.
func tracer() trace.Tracer { return otel.Tracer("github.com/bayplan/bayplan/nodes/agent") }

// parent puts the trace of the order's commit into ctx.
func parent(ctx context.Context, o *nodes.Order) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": o.Trace})
}

func about(node string, o *nodes.Order) trace.SpanStartEventOption {
	return trace.WithAttributes(attribute.String("node", node), attribute.String("workload", o.Slot.Workload), attribute.String("slot", o.Slot.String()))
}

// begin times an action; Pull and Start get a span.
func (t *telemetry) begin(ctx context.Context, node string, act Action) (context.Context, func(error)) {
	began := time.Now()
	var span trace.Span
	if act.Verb == Pull || act.Verb == Start {
		ctx, span = tracer().Start(parent(ctx, act.Order), act.Verb.String(), about(node, act.Order))
	}
	return ctx, func(err error) {
		t.actions.WithLabelValues(act.Verb.String()).Observe(time.Since(began).Seconds())
		if span == nil {
			return
		}
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// teller tells what became of the instances, at its own pace: a log that
// blocks holds up nothing else.
func (a *Agent) teller(ctx context.Context) {
	var told []nodes.Instance
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.news:
		}
		a.mu.Lock()
		shown := a.shown
		a.mu.Unlock()
		a.tel.changes(a, told, shown)
		told = shown
	}
}

// changes tells what differs between two lists of instances: metrics, spans
// and one line of log each.
func (t *telemetry) changes(a *Agent, before, after []nodes.Instance) {
	var phases [nodes.Stopped + 1]int
	for i := range after {
		n := &after[i]
		phases[n.Phase]++
		t.change(a, instance(before, n.ID), n)
	}
	for i := range before {
		if o := &before[i]; instance(after, o.ID) == nil {
			a.log.Info("gone", "workload", o.Slot.Workload, "slot", o.Slot.String(), "id", o.ID)
		}
	}
	for p, n := range phases {
		t.instances.WithLabelValues(nodes.Phase(p).String()).Set(float64(n))
	}
}

func instance(list []nodes.Instance, id string) *nodes.Instance {
	i, ok := slices.BinarySearchFunc(list, id, func(x nodes.Instance, id string) int { return strings.Compare(x.ID, id) })
	if !ok {
		return nil
	}
	return &list[i]
}

func (t *telemetry) change(a *Agent, old, now *nodes.Instance) {
	if old == nil {
		old = &nodes.Instance{Phase: nodes.Stopped + 1, Restarts: now.Restarts}
		if !now.Started.Before(a.clock.began) {
			old.Restarts = 0
		}
	}
	if n := now.Restarts - old.Restarts; n > 0 {
		t.restarts.Add(float64(n))
	}
	if f := now.Failure; f != nil && (old.Failure == nil || !old.Failure.At.Equal(f.At) || old.Failure.Code != f.Code) {
		t.failures.WithLabelValues(string(f.Code)).Inc()
		a.log.Warn(f.Text, "workload", now.Slot.Workload, "slot", now.Slot.String(), "id", now.ID, "code", f.Code, "count", f.Count)
	}
	if old.Phase != now.Phase || old.Health != now.Health {
		a.log.Info(now.Phase.String(), "workload", now.Slot.Workload, "slot", now.Slot.String(), "id", now.ID, "health", now.Health.String())
	}
	if now.Available() && !old.Available() && !now.Started.Before(a.clock.began) {
		a.healthySpan(now)
	}
}

// healthySpan is the time from a container's start until it serves.
func (a *Agent) healthySpan(n *nodes.Instance) {
	orders := a.Holds().Orders
	i, ok := slices.BinarySearchFunc(orders, n.ID, orderByID)
	if !ok {
		return
	}
	o := &orders[i]
	_, span := tracer().Start(parent(context.Background(), o), "healthy", about(a.cfg.Node, o), trace.WithTimestamp(n.Started))
	span.End(trace.WithTimestamp(n.Since))
}
