package forge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/forge"
)

const head = "aa11bb22cc33dd44ee55ff6677889900aabbccdd"

// exchange is one documented request and its answer.
type exchange struct {
	// want is method and path with its query.
	want string
	// body is the JSON that is to be sent; "" is none.
	body   string
	code   int
	answer string
	header map[string]string
}

// contract serves exchanges in their order, and refuses whatever differs.
type contract struct {
	*httptest.Server
	t       *testing.T
	headers map[string]string
	mu      sync.Mutex
	left    []exchange
}

func serveContract(t *testing.T, headers map[string]string, all ...exchange) *contract {
	c := &contract{t: t, headers: headers, left: all}
	c.Server = httptest.NewServer(c)
	t.Cleanup(func() {
		c.Close()
		if len(c.left) > 0 {
			t.Errorf("never asked: %s", c.left[0].want)
		}
	})
	return c
}

func (c *contract) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := r.Method + " " + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		got += "?" + r.URL.RawQuery
	}
	if len(c.left) == 0 || got != c.left[0].want {
		c.t.Errorf("asked %s; the contract has %v", got, c.left)
		http.Error(w, "no", http.StatusTeapot)
		return
	}
	e := c.left[0]
	c.left = c.left[1:]
	for name, want := range c.headers {
		if r.Header.Get(name) != want {
			c.t.Errorf("%s: header %s is %q, want %q", got, name, r.Header.Get(name), want)
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !sameJSON(string(body), e.body) {
		c.t.Errorf("%s: it sends %s, want %s", got, body, e.body)
	}
	if e.body != "" && r.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("%s: it sends %s", got, r.Header.Get("Content-Type"))
	}
	for name, value := range e.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(max(e.code, http.StatusOK))
	fmt.Fprint(w, e.answer)
}

func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	m, _ := json.Marshal(x)
	n, _ := json.Marshal(y)
	return string(m) == string(n)
}

func (c *contract) client(kind, api string) *forge.Client {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("t0ken\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	f, err := forge.New(forge.Config{Kind: kind, Repo: c.URL + "/team/ops.git", API: api, TokenFile: file})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(f.Close)
	return f
}

// dialects are the three APIs by their documentation: where each has what.
var dialects = map[string]struct {
	headers                                                  map[string]string
	list, listed, more, empty                                string
	status, statusBody                                       string
	comments, commentsMore, comment, edit, editMethod, notes string
}{
	"github": {
		headers: map[string]string{"Authorization": "Bearer t0ken", "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
		list:    "GET /api/v3/repos/team/ops/pulls?state=open&base=main&per_page=100&page=1", more: "GET /api/v3/repos/team/ops/pulls?state=open&base=main&per_page=100&page=2",
		listed: `[{"number": 7, "state": "open", "head": {"ref": "x", "sha": "` + head + `"}, "base": {"ref": "main"}, "user": {"login": "ann"}, "updated_at": "2026-05-01T10:00:00Z"}, {"number": 8, "head": {"sha": "1"}, "base": {"ref": "release"}}]`,
		status: "POST /api/v3/repos/team/ops/statuses/" + head, statusBody: `{"state": "failure", "context": "bayplan/bay/plan", "description": "no place"}`,
		comments: "GET /api/v3/repos/team/ops/issues/7/comments?per_page=100&page=1", commentsMore: "GET /api/v3/repos/team/ops/issues/7/comments?per_page=100&page=2",
		comment: "POST /api/v3/repos/team/ops/issues/7/comments", edit: "PATCH /api/v3/repos/team/ops/issues/comments/42",
	},
	"gitea": {
		headers: map[string]string{"Authorization": "token t0ken", "Accept": "application/json"},
		list:    "GET /api/v1/repos/team/ops/pulls?state=open&limit=50&page=1", more: "GET /api/v1/repos/team/ops/pulls?state=open&limit=50&page=2",
		listed: `[{"number": 7, "head": {"label": "x", "ref": "x", "sha": "` + head + `"}, "base": {"ref": "main", "sha": "2"}, "user": {"login": "ann"}, "updated_at": "2026-05-01T10:00:00Z"}, {"number": 8, "head": {"sha": "1"}, "base": {"ref": "release"}}]`,
		status: "POST /api/v1/repos/team/ops/statuses/" + head, statusBody: `{"state": "failure", "context": "bayplan/bay/plan", "description": "no place"}`,
		comments: "GET /api/v1/repos/team/ops/issues/7/comments?limit=50&page=1", commentsMore: "GET /api/v1/repos/team/ops/issues/7/comments?limit=50&page=2",
		comment: "POST /api/v1/repos/team/ops/issues/7/comments", edit: "PATCH /api/v1/repos/team/ops/issues/comments/42",
	},
	"gitlab": {
		headers: map[string]string{"PRIVATE-TOKEN": "t0ken", "Accept": "application/json"},
		list:    "GET /api/v4/projects/team%2Fops/merge_requests?state=opened&target_branch=main&per_page=100&page=1", more: "GET /api/v4/projects/team%2Fops/merge_requests?state=opened&target_branch=main&per_page=100&page=2",
		listed: `[{"id": 900, "iid": 7, "state": "opened", "sha": "` + head + `", "target_branch": "main", "author": {"username": "ann"}, "updated_at": "2026-05-01T10:00:00Z"}, {"iid": 8, "sha": "1", "target_branch": "release"}]`,
		status: "POST /api/v4/projects/team%2Fops/statuses/" + head, statusBody: `{"state": "failed", "name": "bayplan/bay/plan", "description": "no place"}`,
		comments: "GET /api/v4/projects/team%2Fops/merge_requests/7/notes?sort=asc&per_page=100&page=1", commentsMore: "GET /api/v4/projects/team%2Fops/merge_requests/7/notes?sort=asc&per_page=100&page=2",
		comment: "POST /api/v4/projects/team%2Fops/merge_requests/7/notes", edit: "PUT /api/v4/projects/team%2Fops/merge_requests/7/notes/42",
	},
}

// TestClient_KeepsTheForgesContracts: each call as the forge documents it.
func TestClient_KeepsTheForgesContracts(t *testing.T) {
	marker := forge.Marker("bay")
	for kind, d := range dialects {
		t.Run(kind, func(t *testing.T) {
			others, ours := `[{"id": 41, "body": "nice"}]`, `[{"id": 42, "body": "`+marker+` old", "updated_at": "2026-05-01T10:00:00Z"}]`
			const done = `{"id": 42, "updated_at": "2026-05-01T10:00:00Z"}`
			written := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
			c := serveContract(t, d.headers,
				exchange{want: d.list, answer: d.listed}, exchange{want: d.more, answer: "[]"},
				exchange{want: d.status, body: d.statusBody, code: http.StatusCreated, answer: "{}"},
				// The first comment, on a request that has another's.
				exchange{want: d.comments, answer: others}, exchange{want: d.commentsMore, answer: "[]"},
				exchange{want: d.comment, body: `{"body": "` + marker + ` new"}`, code: http.StatusCreated, answer: done},
				// The next is written over it, and not where it is the same.
				exchange{want: d.comments, answer: ours}, exchange{want: d.edit, body: `{"body": "` + marker + ` new"}`, answer: done},
				exchange{want: d.comments, answer: ours},
				// One that begins alike and is not ours stays.
				exchange{want: d.comments, answer: ours}, exchange{want: d.edit, body: `{"body": "` + marker + ` new"}`, code: http.StatusForbidden, answer: "{}"},
				exchange{want: d.comment, body: `{"body": "` + marker + ` new"}`, code: http.StatusCreated, answer: done})
			f := c.client(kind, "")
			open, err := f.OpenPulls(t.Context(), "main")
			if err != nil || !slices.Equal(open, []forge.Request{{Number: 7, Head: head, Author: "ann", Updated: written}}) {
				t.Errorf("%v, %v", open, err)
			}
			if err := f.SetStatus(t.Context(), head, forge.CommitStatus{Context: "bayplan/bay/plan", State: forge.Failure, Text: "no place"}); err != nil {
				t.Error(err)
			}
			for _, text := range []string{" new", " new", " old", " new"} {
				if at, err := f.Comment(t.Context(), 7, marker, marker+text); err != nil || !at.Equal(written) {
					t.Error(at, err)
				}
			}
		})
	}
}

// TestClient_TellsOfRefusals with the forge's words, how long to wait, and never
// the token.
func TestClient_TellsOfRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		code   int
		header map[string]string
		wait   time.Duration
	}{
		"bad token":  {http.StatusUnauthorized, nil, 0},
		"rate limit": {http.StatusForbidden, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999"}, time.Hour},
		"slow down":  {http.StatusTooManyRequests, map[string]string{"Retry-After": "17"}, 17 * time.Second},
		"redirect":   {http.StatusFound, map[string]string{"Location": "http://192.0.2.1/"}, 0},
	} {
		s := serveContract(t, nil, exchange{want: dialects["gitea"].list, code: c.code, answer: "no, \n go away", header: c.header})
		_, err := s.client("gitea", "").OpenPulls(t.Context(), "main")
		a, ok := err.(*forge.Answered)
		if !ok || a.Code != c.code || a.Wait != c.wait || a.Text != "no, go away" || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNew_FindsTheAPIOrSaysWhatIsMissing.
func TestNew_FindsTheAPIOrSaysWhatIsMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("t0ken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ kind, repo, api, want string }{
		{"", "https://github.com/team/ops.git", "", ""},
		{"", "git@gitlab.com:team/sub/ops.git", "", ""},
		{"gitea", "ssh://git@git.example:2222/team/ops", "", ""},
		{"", "https://git.example/team/ops", "", "say which it is"},
		{"sourcehut", "https://git.example/team/ops", "", "is none"},
		{"gitea", "http://git.example/team/ops", "", "in the clear"},
		{"gitea", "https://git.example/team/ops", "http://git.example/api/v1", "in the clear"},
		{"gitea", "/srv/ops.git", "", "on no forge"},
		{"gitea", "https://git.example/ops", "", "owner/name"},
	} {
		_, err := forge.New(forge.Config{Kind: c.kind, Repo: c.repo, API: c.api, TokenFile: file})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := forge.New(forge.Config{Repo: "https://github.com/team/ops", TokenFile: file + "x"}); err == nil {
		t.Error("without a token it goes")
	}
}
