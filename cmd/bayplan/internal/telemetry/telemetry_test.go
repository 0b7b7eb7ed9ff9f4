package telemetry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel"
	"google.golang.org/protobuf/types/known/emptypb"
)

// quiet leaves no variable of OpenTelemetry to the test's surroundings.
func quiet(t *testing.T) {
	for _, name := range append([]string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SDK_DISABLED"}, wanted...) {
		t.Setenv(name, "")
	}
}

func TestTrace_IsOffUnlessAskedFor(t *testing.T) {
	quiet(t)
	end, err := Trace(t.Context(), "test", "1", "a")
	if err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(t.Context(), "work")
	defer span.End()
	if span.SpanContext().IsSampled() {
		t.Error("a span is sampled though nobody asked for traces")
	}
	if err := end(t.Context()); err != nil {
		t.Error(err)
	}
}

// collect has traces sent to the test.
func collect(t *testing.T) <-chan string {
	quiet(t)
	got := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + string(body)
	}))
	t.Cleanup(collector.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	return got
}

func TestInterceptors_NoneUnlessAskedFor(t *testing.T) {
	quiet(t)
	if all, err := Interceptors(); err != nil || len(all) > 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestInterceptors_TraceEachCall(t *testing.T) {
	got := collect(t)
	end, err := Trace(t.Context(), "bayplan-test", "1", "a")
	if err != nil {
		t.Fatal(err)
	}
	all, err := Interceptors()
	if err != nil {
		t.Fatal(err)
	}
	const call = "/test.v1.Harbour/Call"
	answer := func(context.Context, *connect.Request[emptypb.Empty]) (*connect.Response[emptypb.Empty], error) {
		return connect.NewResponse(&emptypb.Empty{}), nil
	}
	s := httptest.NewServer(connect.NewUnaryHandler(call, answer, connect.WithInterceptors(all...)))
	defer s.Close()
	client := connect.NewClient[emptypb.Empty, emptypb.Empty](s.Client(), s.URL+call)
	if _, err := client.CallUnary(t.Context(), connect.NewRequest(&emptypb.Empty{})); err != nil {
		t.Fatal(err)
	}
	if err := end(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if sent := <-got; !strings.Contains(sent, "test.v1.Harbour/Call") {
		t.Errorf("sent %q", sent)
	}
}

func TestTrace_ExportsByOTLP(t *testing.T) {
	got := collect(t)
	end, err := Trace(t.Context(), "bayplan-test", "1", "a")
	if err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(t.Context(), "work")
	span.End()
	if err := end(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if sent := <-got; !strings.HasPrefix(sent, "/v1/traces ") || !strings.Contains(sent, "work") || !strings.Contains(sent, "bayplan-test") {
		t.Errorf("sent %q", sent)
	}
}

func TestServeMetrics_AnswersUntilTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, err := ServeMetrics(ctx, "127.0.0.1:0", NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), "go_goroutines") {
		t.Errorf("%v: %.200s", err, body)
	}
	if _, err := ServeMetrics(ctx, strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics"), NewRegistry()); err == nil || !strings.Contains(err.Error(), "--metrics-listen") {
		t.Errorf("a taken port: %v", err)
	}
}
