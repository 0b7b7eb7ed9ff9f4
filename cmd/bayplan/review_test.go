package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
)

// town is a forge in memory that speaks as much of Gitea's API as a server uses.
type town struct {
	t        testing.TB
	mu       sync.Mutex
	head     string
	statuses map[string]string // by commit and context: the newest
	comments []string
	written  time.Time // of the comment
	approved string    // the commit that ann has approved since
	changed  chan struct{}
}

func (w *town) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var in struct{ State, Context, Description, Body string }
	if text, err := io.ReadAll(r.Body); err != nil || len(text) > 0 && json.Unmarshal(text, &in) != nil {
		w.t.Errorf("%s %s: %s %v", r.Method, r.URL, text, err)
	}
	if got := r.Header.Get("Authorization"); got != "token t0ken" {
		w.t.Errorf("it calls with %q", got)
	}
	answer := "{}"
	_, rest, _ := strings.Cut(r.URL.Path, "/repos/")
	switch parts := strings.SplitN(rest, "/", 3); {
	case len(parts) != 3:
		w.t.Errorf("%s %s is of no repository", r.Method, r.URL)
	case r.Method == "GET" && parts[2] == "pulls" && r.URL.Query().Get("page") == "1":
		answer = fmt.Sprintf(`[{"number": 4, "head": {"sha": %q}, "base": {"ref": "main"}}]`, w.head)
	case r.Method == "GET" && parts[2] == "pulls":
		answer = "[]"
	case r.Method == "GET" && parts[2] == "pulls/4/reviews" && r.URL.Query().Get("page") == "1" && w.approved != "":
		answer = fmt.Sprintf(`[{"id": 9, "user": {"login": "ann"}, "state": "APPROVED", "official": true, "commit_id": %q, "submitted_at": %q}]`,
			w.approved, w.written.Add(time.Minute).Format(time.RFC3339))
	case r.Method == "GET" && parts[2] == "pulls/4/reviews":
		answer = "[]"
	case r.Method == "POST" && strings.HasPrefix(parts[2], "statuses/"):
		w.statuses[strings.TrimPrefix(parts[2], "statuses/")+" "+in.Context] = in.State + ": " + in.Description
	case r.Method == "GET" && parts[2] == "issues/4/comments":
		var all []map[string]any
		for i, c := range w.comments {
			all = append(all, map[string]any{"id": i + 1, "body": c, "updated_at": w.written})
		}
		b, _ := json.Marshal(all)
		answer = string(b)
	case r.Method == "POST" && parts[2] == "issues/4/comments":
		w.comments = append(w.comments, in.Body)
		answer = w.write()
	case r.Method == "PATCH" && parts[2] == "issues/comments/1":
		w.comments[0] = in.Body
		answer = w.write()
	default:
		w.t.Errorf("asked %s %s", r.Method, r.URL)
	}
	fmt.Fprint(out, answer)
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// write notes that the comment was written, and tells when.
func (w *town) write() string {
	w.written = w.written.Add(time.Hour)
	return fmt.Sprintf(`{"id": 1, "updated_at": %q}`, w.written.Format(time.RFC3339))
}

// await waits until something is said of a commit.
func (w *town) await(key, want string) {
	w.t.Helper()
	late := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		got := w.statuses[key]
		w.mu.Unlock()
		if strings.HasPrefix(got, want) {
			return
		}
		select {
		case <-w.changed:
		case <-late:
			w.t.Fatalf("%s is %q, want %q", key, got, want)
		}
	}
}

// newReviewed is a site with a forge whose pull request 4 is looked at; set may
// prepare its repository.
func newReviewed(t *testing.T, set func(*site)) (*site, *town) {
	w := &town{t: t, statuses: map[string]string{}, changed: make(chan struct{}, 1), written: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	api := httptest.NewServer(w)
	t.Cleanup(api.Close)
	s := newSiteWith(t, func(s *site, cfg *server.Config) {
		set(s)
		git, err := exec.LookPath("git")
		if err != nil {
			t.Skip("no git")
		}
		top := filepath.Dir(filepath.Dir(s.repo))
		web := httptest.NewServer(&cgi.Handler{Path: git, Args: []string{"http-backend"}, Dir: top, Stderr: io.Discard,
			Env: []string{"GIT_PROJECT_ROOT=" + top, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}})
		t.Cleanup(web.Close)
		secret, token := filepath.Join(filepath.Dir(s.repo), "secret"), filepath.Join(filepath.Dir(s.repo), "token")
		for file, text := range map[string]string{secret: hookSecret, token: "t0ken"} {
			if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cfg.Name, cfg.Source.URL, cfg.Source.Poll = "bay", web.URL+"/"+filepath.Base(filepath.Dir(s.repo))+"/repo/.git", time.Hour
		cfg.WebhookSecretFile, cfg.WebhookListen = secret, "127.0.0.1:0"
		cfg.Forge.Kind, cfg.Forge.API, cfg.Forge.TokenFile = "gitea", api.URL+"/api/v1", token
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	})
	return s, w
}

// propose makes a commit on main the pull request's, and has the server hear of it.
func (s *site) propose(w *town, file, text string) string {
	s.git("checkout", "-q", "-B", "side", "main")
	commit := s.commit(file, text)
	s.git("update-ref", "refs/pull/4/head", commit)
	s.git("checkout", "-q", "main")
	w.mu.Lock()
	w.head = commit
	w.mu.Unlock()
	s.reviewed("pull_request")
	return commit
}

// reviewed has the server hear of something about the pull request.
func (s *site) reviewed(event string) {
	s.t.Helper()
	if code, text := s.tellOf(s.ready.Webhooks+"gitea", event, hookSecret); code != http.StatusAccepted || !strings.Contains(text, "a look at pull requests") {
		s.t.Errorf("the webhook: %d %s", code, text)
	}
}

// A pull request is planned by the server, fetched over smart HTTP and evaluated
// in a worker, and its forge is told; pushed to, its one comment is written over;
// merged, its commit's outcome is told. A webhook spares the wait.
func TestServer_PlansPullRequests(t *testing.T) {
	s, w := newReviewed(t, func(*site) {})
	main := s.git("rev-parse", "HEAD")
	s.hears(main)
	bad := s.propose(w, "shop/api.yaml", "workloads: {api: {kind: sailor}}\n")
	w.await(bad+" bayplan/bay/plan", "failure: it does not validate")
	good := s.propose(w, "shop/api.yaml", strings.Replace(workload("api@sha256:"+strings.Repeat("2", 64)), "web:", "api:", 1))
	w.await(good+" bayplan/bay/plan", "failure: 1 to create, 0 to update, 0 to remove; 1 slot without a place.")
	if len(w.comments) != 1 || !strings.Contains(w.comments[0], "shop/api: create") || !strings.Contains(w.comments[0], "head against base, as if base "+main[:10]) {
		t.Errorf("comments %q", w.comments)
	}
	changed := s.propose(w, "shop/web.yaml", workload("web@sha256:"+strings.Repeat("4", 64)))
	w.await(changed+" bayplan/bay/plan", "failure: 0 to create, 1 to update")
	if !strings.Contains(w.comments[0], "4444   shop/web.yaml:1") {
		t.Errorf("where a change stands is not told: %s", w.comments[0])
	}
	good = s.propose(w, "shop/api.yaml", strings.Replace(workload("api@sha256:"+strings.Repeat("2", 64)), "web:", "api:", 1))
	s.git("merge", "-q", "side")
	s.tell(s.ready.Webhooks+"gitea", hookSecret)
	w.await(good+" bayplan/bay/deploy", "pending: Progressing")
}

// A plan that a reviewer approved is pinned: squashed under another commit, beside
// another change of no effect, it is applied. What nobody approved is held, and so
// is what was approved once it would do something else.
func TestServer_PinsApprovedPlans(t *testing.T) {
	s, w := newReviewed(t, func(s *site) { s.commit("cluster.cue", "cluster: gates: pinPlans: true\n") })
	main := s.git("rev-parse", "HEAD")
	s.hears(main)
	w.await(main+" bayplan/bay/deploy", "pending: Progressing")
	api := func(digit, more string) string {
		return strings.Replace(workload("api@sha256:"+strings.Repeat(digit, 64)), "web:", "api:", 1) + more
	}
	proposed := s.propose(w, "shop/api.yaml", api("2", ""))
	const plan = "1 to create, 0 to update, 0 to remove; 1 slot without a place."
	w.await(proposed+" bayplan/bay/plan", "failure: "+plan)
	w.mu.Lock()
	w.approved = proposed
	w.mu.Unlock()
	s.reviewed("pull_request_approved")
	w.await(proposed+" bayplan/bay/plan", "failure: approved by ann: "+plan)

	s.write("shop/api.yaml", api("3", ""))
	s.git("add", "-A")
	s.git("commit", "-q", "-m", "something else")
	other := s.git("rev-parse", "HEAD")
	s.tell(s.ready.Webhooks+"gitea", hookSecret)
	w.await(other+" bayplan/bay/deploy", "failure: Held: the plan of pull request 4 that ann approved says shop/api: create of 127.0.0.1:1/api@sha256:2222")

	s.write("shop/api.yaml", api("2", ""))
	s.write("README.md", "harbour")
	s.git("add", "-A")
	s.git("commit", "-q", "-m", "squashed")
	squashed := s.git("rev-parse", "HEAD")
	s.tell(s.ready.Webhooks+"gitea", hookSecret)
	w.await(squashed+" bayplan/bay/deploy", "pending: Progressing")
	if code, out, talk := s.bayplan("history"); code != exit.Fine || !strings.Contains(out, "approved by ann (pull request 4)") {
		t.Errorf("%d: %s%s", code, out, talk)
	}
}
