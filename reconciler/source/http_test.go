package source

import (
	"crypto/rand"
	"encoding/pem"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// gitServer serves a repository by git's own http-backend behind basic auth.
type gitServer struct {
	*httptest.Server
	user, password atomic.Value
	requests       atomic.Int64
	broken         atomic.Bool
}

func serveHTTP(t *testing.T, r *repo, start func(*httptest.Server)) *gitServer {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: git, Args: []string{"http-backend"}, Dir: filepath.Dir(r.bare), Logger: nil, Stderr: t.Output(),
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.bare), "GIT_HTTP_EXPORT_ALL=1", "HOME=" + filepath.Dir(r.bare)}}
	g := &gitServer{}
	g.user.Store("ann")
	g.password.Store("s3cret")
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		g.requests.Add(1)
		user, pass, ok := req.BasicAuth()
		switch {
		case g.broken.Load():
			http.Error(w, "no", http.StatusBadGateway)
		case !ok || user != g.user.Load() || pass != g.password.Load():
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
		default:
			backend.ServeHTTP(w, req)
		}
	}))
	g.Config.ErrorLog = log.New(t.Output(), "", 0)
	start(g.Server)
	t.Cleanup(g.Close)
	return g
}

// backends runs a test with each.
func backends(t *testing.T, test func(t *testing.T, backend string)) {
	for _, b := range []string{BackendGo, BackendExec} {
		t.Run(b, func(t *testing.T) { test(t, b) })
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (g *gitServer) config(t *testing.T, r *repo) Config {
	cfg := r.config()
	cfg.URL = g.URL + "/repo.git"
	cfg.UserFile, cfg.TokenFile = file(t, "ann\n"), file(t, "s3cret\n")
	return cfg
}

func TestHTTP_FetchesAndSurvives(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		first := r.push("hello/web.cue", "one", "first")
		g := serveHTTP(t, r, (*httptest.Server).Start)
		cfg := g.config(t, r)
		cfg.Backend = backend
		w := watch(t, cfg)
		tip := w.tip(first)
		if got := content(t, tip.Files, "hello/web.cue"); got != "one" {
			t.Errorf("content %q", got)
		}
		second := r.push("hello/web.cue", "two", "second")
		w.s.Poke()
		if got := content(t, w.tip(second).Files, "hello/web.cue"); got != "two" {
			t.Errorf("content %q", got)
		}
		before := g.requests.Load()
		w.s.Poke()
		w.s.Poke()
		r.git("push", "-q", "origin", ":main")
		w.s.Poke()
		w.trouble(CodeBranchMissing)
		if n := g.requests.Load() - before; n > 3 && backend == BackendGo || n > 9 { // git asks twice a look, and once more
			t.Errorf("%d requests for looks that found nothing to fetch", n)
		}
		r.git("push", "-q", "origin", first+":refs/heads/main") // an older commit: nothing to fetch
		w.s.Poke()
		w.tip(first)
		r.git("reset", "-q", "--hard", first)
		rewritten := r.commit("hello/web.cue", "three", "rewritten")
		r.git("push", "-q", "--force", "origin", "HEAD:main")
		w.s.Poke()
		w.tip(rewritten)
		if ok, err := w.s.Descends(t.Context(), second, rewritten); ok || err != nil {
			t.Errorf("Descends: %v, %v", ok, err)
		}
		w.stop()

		g.Close()
		w = watch(t, cfg)
		u := w.next()
		if u.Tip == nil || u.Trouble == nil || u.Trouble.Code != CodeUnreachable || u.Tip.Revision.Commit != rewritten {
			t.Fatalf("update %s", show(u))
		}
		if got := content(t, u.Tip.Files, "hello/web.cue"); got != "three" {
			t.Errorf("content %q", got)
		}
	})
}

func TestHTTP_Credentials(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		first := r.push("a.cue", "one", "first")
		g := serveHTTP(t, r, (*httptest.Server).Start)
		cfg := g.config(t, r)
		cfg.Backend = backend
		g.password.Store("rotated")
		w := watch(t, cfg)
		w.trouble(CodeUnauthorized)
		if err := os.Remove(cfg.TokenFile); err != nil {
			t.Fatal(err)
		}
		w.s.Poke()
		w.trouble(CodeCredentials)
		if err := os.WriteFile(cfg.TokenFile, []byte("rotated"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.s.Poke()
		w.tip(first)
		w.stop()

		cfg.UserFile, cfg.TokenFile, cfg.Dir = "", "", t.TempDir()
		w = watch(t, cfg)
		if got := w.trouble(CodeUnauthorized); !strings.Contains(got.Text, "none is configured") {
			t.Errorf("trouble %q", got.Text)
		}
	})
}

func TestHTTP_ServerTroubles(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		first := r.push("a.cue", "one", "first")
		g := serveHTTP(t, r, (*httptest.Server).Start)
		cfg := g.config(t, r)
		cfg.Backend = backend
		g.broken.Store(true)
		w := watch(t, cfg)
		since := w.trouble(CodeUnreachable).Since
		w.s.Poke()
		g.broken.Store(false)
		w.s.Poke()
		if tip := w.tip(first); !tip.Detected.After(since) {
			t.Error("detected before the trouble")
		}
		w.stop()

		cfg.URL, cfg.Dir = g.URL+"/other.git", t.TempDir()
		w = watch(t, cfg)
		w.trouble(CodeRepositoryMissing)
		w.stop()

		cfg = g.config(t, r)
		cfg.Backend = backend
		cfg.MaxFetch = 600
		r.push("large.bin", incompressible(), "more than 600 bytes")
		w = watch(t, cfg)
		w.trouble(CodeTooLarge)
		if parts, _ := filepath.Glob(filepath.Join(cfg.Dir, "mirror-*", "objects", "pack", "*")); len(parts) > 0 {
			t.Errorf("left behind: %v", parts)
		}
	})
}

func incompressible() string {
	text := ""
	for range 100 {
		text += rand.Text()
	}
	return text
}

func TestHTTP_EmptyRepository(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		g := serveHTTP(t, r, (*httptest.Server).Start)
		cfg := g.config(t, r)
		cfg.Backend = backend
		w := watch(t, cfg)
		w.trouble(CodeBranchMissing)
		first := r.push("a.cue", "one", "first")
		w.s.Poke()
		w.tip(first)
	})
}

func TestHTTP_CorruptAtServer(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		first := r.push("a.cue", "one", "first")
		g := serveHTTP(t, r, (*httptest.Server).Start)
		cfg := g.config(t, r)
		cfg.Backend = backend
		w := watch(t, cfg)
		w.tip(first)
		second := r.push("a.cue", "two", "second")
		restore := r.garble(r.git("rev-parse", "HEAD:a.cue"))
		w.s.Poke()
		w.trouble(CodeCorrupt)
		restore()
		w.s.Poke()
		for u := w.next(); u.Tip == nil; u = w.next() {
			t.Log(show(u))
		}
		if got, err := w.s.At(t.Context(), second); err != nil || content(t, got.Files, "a.cue") != "two" {
			t.Errorf("after the repair: %v", err)
		}
	})
}

func TestHTTP_Certificates(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		first := r.push("a.cue", "one", "first")
		g := serveHTTP(t, r, (*httptest.Server).StartTLS)
		cfg := g.config(t, r)
		cfg.Backend = backend
		w := watch(t, cfg)
		if got := w.trouble(CodeUnauthorized); !strings.Contains(got.Text, "certificate") {
			t.Errorf("trouble %q", got.Text)
		}
		w.stop()
		cfg.CAFile = file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw})))
		watch(t, cfg).tip(first)
	})
}

func TestHTTP_PollsWithoutBeingTold(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	g := serveHTTP(t, r, (*httptest.Server).Start)
	cfg := g.config(t, r)
	cfg.Poll = 20 * time.Millisecond
	w := watch(t, cfg)
	w.tip(first)
	w.tip(r.push("a.cue", "two", "second"))
}
