package server

import (
	"fmt"
	"net/http"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/telemetry"
	"github.com/bayplan/bayplan/reconciler/serve"
)

// onceDeciding keeps operators' calls until the server knows what it says: an
// empty answer would read as an empty cluster.
func (s *server) onceDeciding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-s.loop.Deciding():
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// handler is everything that answers on the one address.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	s.fleet.Mount(mux)
	path, api := serve.New(serve.Config{Cluster: members{s.loop, s.fleet, s.roster}, Consoles: s.fleet, Joiner: s.joiner, Identity: operator,
		Name: s.cluster.ID, Version: s.Version, Grants: s.Allow, Source: s.Source.URL, Branch: s.Source.Branch, Log: s.Log, Interceptors: s.calls})
	mux.Handle(path, s.onceDeciding(api))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	if s.hook != nil {
		s.hook.Mount(mux)
	}
	metrics := telemetry.Metrics(s.registry)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if operator(r) == "" {
			http.Error(w, "metrics want an operator's certificate; or start the server with --metrics-listen", http.StatusForbidden)
			return
		}
		metrics.ServeHTTP(w, r)
	})
	return mux
}
