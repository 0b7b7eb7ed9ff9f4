package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
)

const hookSecret = "the secret of a test"

// newHookedSite follows its repository over smart HTTP, served by git's own
// http-backend, and would not look at it again within the hour.
func newHookedSite(t testing.TB) *site {
	return newSiteWith(t, func(s *site, cfg *server.Config) {
		git, err := exec.LookPath("git")
		if err != nil {
			t.Skip("no git")
		}
		backend := &cgi.Handler{Path: git, Args: []string{"http-backend"}, Dir: filepath.Dir(s.repo), Stderr: io.Discard,
			Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(s.repo), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}
		web := httptest.NewServer(backend)
		t.Cleanup(web.Close)
		file := filepath.Join(filepath.Dir(s.repo), "secret")
		if err := os.WriteFile(file, []byte(hookSecret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.Source.URL, cfg.Source.Poll = web.URL+"/repo/.git", time.Hour
		cfg.WebhookSecretFile, cfg.WebhookListen = file, "127.0.0.1:0"
	})
}

// tell sends the webhook of a push as Gitea does.
func (s *site) tell(url, secret string) (code int, text string) {
	s.t.Helper()
	return s.tellOf(url, "push", secret)
}

func (s *site) tellOf(url, event, secret string) (code int, text string) {
	s.t.Helper()
	const body = `{"ref": "refs/heads/main"}`
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-Gitea-Signature", hex.EncodeToString(m.Sum(nil)))
	r.Header.Set("X-Gitea-Event", event)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// hears waits until the status tells of a commit.
func (s *site) hears(commit string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	out := &seeks{texts: []string{`"revision":{"commit":"` + commit}, found: cancel}
	code, talk := s.run(ctx, out, "status", "-w", "-o", "json")
	if code != exit.Fine || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.t.Fatalf("commit %s was not heard of: code %d: %s%s", commit, code, out, talk)
	}
}

// A push is taken up at once with a webhook, by a server that polls once an hour,
// and by nobody's webhook who does not know the secret.
func TestServer_AWebhookCausesALook(t *testing.T) {
	s := newHookedSite(t)
	commit := s.commit("shop/web.yaml", workload("web@sha256:"+strings.Repeat("1", 64)))
	if code, text := s.tell(s.ready.Webhooks+"gitea", "another secret"); code != http.StatusUnauthorized {
		t.Errorf("of another secret: %d %s", code, text)
	}
	code, text := s.tell(s.ready.Webhooks+"gitea", hookSecret)
	if code != http.StatusAccepted || !strings.Contains(text, `"caused":"a look at main"`) {
		t.Fatalf("%d %s", code, text)
	}
	s.hears(commit)
}

// BenchmarkWebhook is from the webhook, which comes after the push, to a status
// that has the commit: fetched over smart HTTP, evaluated, decided and recorded.
func BenchmarkWebhook(b *testing.B) {
	s := newHookedSite(b)
	s.hears(s.git("rev-parse", "HEAD"))
	var all []time.Duration
	for i := range max(b.N, 10) {
		commit := s.commit("shop/web.yaml", workload("web@sha256:"+strings.Repeat(string("0123456789abcdef"[i%16]), 64)))
		began := time.Now()
		s.tell(s.ready.Webhooks+"gitea", hookSecret)
		s.hears(commit)
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Milliseconds()), "ms-median")
	b.ReportMetric(float64(all[len(all)-1].Milliseconds()), "ms-worst")
}
