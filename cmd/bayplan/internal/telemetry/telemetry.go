// Package telemetry sets up what server and agent have in common: the log, the
// traces and the metrics of one process.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"github.com/lmittmann/tint"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"golang.org/x/term"
)

// Log writes to w: coloured lines on a terminal, unless NO_COLOR is set, and
// logfmt elsewhere.
func Log(w io.Writer, level slog.Level) *slog.Logger {
	f, ok := w.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(tint.NewHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// Interceptors trace the calls that a server answers, each as a span of its
// own; none where no traces are asked for. Streams are left out: a watch lasts
// as long as its reader, and its span would tell nothing. There are no metrics of
// calls, since /metrics is Prometheus' and not OpenTelemetry's.
func Interceptors() ([]connect.Interceptor, error) {
	if !asked() {
		return nil, nil
	}
	i, err := otelconnect.NewInterceptor(otelconnect.WithoutMetrics(), otelconnect.WithoutServerPeerAttributes(),
		otelconnect.WithFilter(func(_ context.Context, s connect.Spec) bool { return s.StreamType == connect.StreamTypeUnary }))
	if err != nil {
		return nil, fmt.Errorf("traces of calls: %w", err)
	}
	return []connect.Interceptor{i}, nil
}

// asked is whether one of the wanted variables is set.
func asked() bool {
	return slices.ContainsFunc(wanted, func(name string) bool { return os.Getenv(name) != "" })
}

// wanted are the variables of OpenTelemetry that ask for traces: without one of
// them nothing is exported.
var wanted = []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}

// Trace exports spans as the OTEL_* variables say, and not at all where none
// asks for it. The result flushes what is left and ends the export.
func Trace(ctx context.Context, service, version, instance string) (end func(context.Context) error, err error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	if !asked() {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w; see the OTEL_* variables", err)
	}
	about, err := resource.Merge(resource.Default(), resource.NewSchemaless(
		semconv.ServiceName(service), semconv.ServiceVersion(version), semconv.ServiceInstanceID(instance)))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}

// NewRegistry has the collectors of the Go runtime and of the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Metrics is the handler of /metrics.
func Metrics(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// ServeMetrics answers /metrics in plain HTTP on addr until ctx ends, and
// returns the URL that it is reached by; an empty addr serves nothing.
func ServeMetrics(ctx context.Context, addr string, r *prometheus.Registry) (url string, err error) {
	if addr == "" {
		return "", nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("metrics: %w; choose another --metrics-listen", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", Metrics(r))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("metrics", "err", err)
		}
	}()
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	return "http://" + l.Addr().String() + "/metrics", nil
}
