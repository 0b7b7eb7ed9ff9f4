package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	world "github.com/bayplan/bayplan/testenv/memory"
)

// Operators' calls wait for the first decision, and no longer than they want.
func TestOnceDeciding_CallsWaitForTheFirstDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := world.NewCluster(t, 0)
		defer c.Close()
		c.StopServer()
		lead := c.Ledger.Lead.Shut()
		c.StartServer()
		s := &server{loop: c.Loop()}
		answers := make(chan string, 2)
		api := s.onceDeciding(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { answers <- r.URL.Path }))
		call := func(ctx context.Context, path string) {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
			api.ServeHTTP(httptest.NewRecorder(), r)
		}
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() { defer close(left); call(ctx, "/leaves") }()
		go call(t.Context(), "/waits")
		synctest.Wait()
		leave()
		<-left
		if len(answers) > 0 {
			t.Fatalf("%s was answered before the first decision", <-answers)
		}
		lead()
		if got := <-answers; got != "/waits" {
			t.Errorf("%s was answered", got)
		}
		call(t.Context(), "/later")
		if got := <-answers; got != "/later" {
			t.Errorf("%s was answered", got)
		}
	})
}
