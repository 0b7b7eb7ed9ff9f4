package loop_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/testenv/memory"
)

// TestTrace_OneForACommitFromDetectToHealthy follows a commit through server
// and agents.
func TestTrace_OneForACommitFromDetectToHealthy(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(provider)
	defer otel.SetTracerProvider(before)
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
		c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
	})
	names := map[string]int{}
	traces := map[string]bool{}
	for _, s := range spans.GetSpans() {
		names[s.Name]++
		traces[s.SpanContext.TraceID().String()] = true
	}
	if len(traces) != 1 {
		t.Errorf("%d traces, want one", len(traces))
	}
	for _, want := range []string{"commit", "detect", "evaluate", "plan", "place", "order", "pull", "start", "healthy"} {
		if names[want] == 0 {
			t.Errorf("no span %q among %v", want, slices.Sorted(maps.Keys(names)))
		}
	}
}
