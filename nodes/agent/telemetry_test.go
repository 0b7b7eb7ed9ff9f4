package agent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/bayplan/bayplan/testenv/fake"
)

// TestAgent_SpansBelongToTheCommit: what the agent does for an order is told
// in the trace of the commit that caused it.
func TestAgent_SpansBelongToTheCommit(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans)))
	defer otel.SetTracerProvider(before)
	onMachine(t, func(m *machine) {
		m.Image("web:slow", fake.Program{Pulls: time.Second, Starts: 2 * time.Second, Boots: 50 * time.Millisecond})
		as := m.assignment("t/web.0@slow ports=http:20000 health=http")
		as.Orders[0].Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		if err := m.agent.Assign(as); err != nil {
			t.Fatal(err)
		}
		m.pass(10 * time.Second)
		m.stop() // adopted ones are not told of again
		m.start()
		m.pass(10 * time.Second)
	})
	var got []string
	for _, s := range spans.Ended() {
		took := s.EndTime().Sub(s.StartTime()).Truncate(time.Second)
		if s.Name() == "healthy" {
			took = s.EndTime().Sub(s.StartTime()).Truncate(50 * time.Millisecond)
		}
		got = append(got, s.Name()+" "+took.String()+" in "+s.SpanContext().TraceID().String()+" below "+s.Parent().SpanID().String())
	}
	slices.Sort(got)
	const in = " in 0af7651916cd43dd8448eb211c80319c below b7ad6b7169203331"
	if diff := cmp.Diff([]string{"healthy 50ms" + in, "pull 1s" + in, "start 2s" + in}, got); diff != "" {
		t.Error(diff)
	}
}
