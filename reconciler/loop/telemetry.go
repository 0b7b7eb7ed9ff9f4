package loop

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bayplan/bayplan/reconciler"
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

// ended counts a commit that came to its end, c being its trace.
func (m *meter) ended(rec *reconciler.Commit, c *commitTrace, now time.Time) {
	for _, p := range c.phases {
		m.commits.WithLabelValues(p.Name).Observe(p.Took.D().Seconds())
	}
	if rec.Outcome == reconciler.Applied && !c.ordered.IsZero() { // it became healthy
		m.commits.WithLabelValues("total").Observe(now.Sub(c.began).Seconds())
	}
	m.outcomes.WithLabelValues(string(rec.Outcome)).Inc()
}
