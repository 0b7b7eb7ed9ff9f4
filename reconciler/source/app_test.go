package source

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// github answers the one request that an app makes, as GitHub documents it.
type github struct {
	*httptest.Server
	key   *rsa.PrivateKey
	given atomic.Int64
}

func newGitHub(t *testing.T) *github {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h := &github{key: key}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/app/installations/42/access_tokens" || !h.vouched(r.Header.Get("Authorization")) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"message":"A JSON web token could not be decoded"}`)
			return
		}
		h.given.Add(1)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token":"s3cret","expires_at":%q,"permissions":{"contents":"read"}}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(h.Close)
	return h
}

// vouched checks a token as RFC 7519 says.
func (h *github) vouched(header string) bool {
	text, ok := strings.CutPrefix(header, "Bearer ")
	parts := strings.Split(text, ".")
	if !ok || len(parts) != 3 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&h.key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return false
	}
	var claims struct {
		Issuer  string `json:"iss"`
		Issued  int64  `json:"iat"`
		Expires int64  `json:"exp"`
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	now := time.Now().Unix()
	return err == nil && json.Unmarshal(body, &claims) == nil && claims.Issuer == "7" && claims.Issued <= now && claims.Expires > now && claims.Expires-claims.Issued <= 600
}

func (h *github) app(t *testing.T) App {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(h.key)})
	return App{ID: "7", Installation: "42", KeyFile: file(t, string(block)), API: h.URL}
}

func TestApp_ReadsByTheTokenOfItsInstallation(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r, hub := newRepo(t), newGitHub(t)
		first := r.push("a.cue", "one", "first")
		g := serveHTTP(t, r, (*httptest.Server).Start)
		g.user.Store("x-access-token")
		cfg := g.config(t, r)
		cfg.Backend, cfg.UserFile, cfg.TokenFile, cfg.App = backend, "", "", hub.app(t)
		w := watch(t, cfg)
		w.tip(first)
		second := r.push("a.cue", "two", "second")
		w.s.Poke()
		w.tip(second)
		if n := hub.given.Load(); n != 1 {
			t.Errorf("%d tokens were asked for", n)
		}
	})
}

func TestApp_Troubles(t *testing.T) {
	r, hub := newRepo(t), newGitHub(t)
	r.push("a.cue", "one", "first")
	g := serveHTTP(t, r, (*httptest.Server).Start)
	for name, test := range map[string]struct {
		change func(*App)
		code   string
		words  string
	}{
		"another key":     {func(a *App) { *a = newGitHub(t).app(t); a.API = hub.URL }, CodeUnauthorized, "could not be decoded"},
		"another app":     {func(a *App) { a.ID = "8" }, CodeUnauthorized, "GitHub App 8"},
		"no such install": {func(a *App) { a.Installation = "41" }, CodeUnauthorized, "installation 41"},
		"no key":          {func(a *App) { a.KeyFile = file(t, "hello") }, CodeCredentials, "no PEM"},
		"no API":          {func(a *App) { a.API = "http://127.0.0.1:1" }, CodeUnreachable, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := g.config(t, r)
			cfg.UserFile, cfg.TokenFile, cfg.App = "", "", hub.app(t)
			test.change(&cfg.App)
			if got := watch(t, cfg).trouble(test.code); !strings.Contains(got.Text, test.words) {
				t.Errorf("trouble %q", got.Text)
			}
		})
	}
}

func TestOpen_AppIsWhole(t *testing.T) {
	whole := App{ID: "7", Installation: "42", KeyFile: "/k"}
	for want, cfg := range map[string]Config{
		"wants its id":     {App: App{ID: "7"}},
		"not both":         {App: whole, TokenFile: "/t"},
		"must be https://": {App: App{ID: "7", Installation: "42", KeyFile: "/k", API: "http://git.example"}},
		"is for https://":  {App: whole, URL: "ssh://git@host.example/x", KeyFile: "/k"},
		"in the clear":     {App: whole, URL: "http://git.example/x"},
	} {
		if cfg.URL == "" {
			cfg.URL = "https://git.example/x"
		}
		cfg.Dir = t.TempDir()
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestAppTokens_AreRenewedInTime(t *testing.T) {
	hub := newGitHub(t)
	tokens, now := newAppTokens(hub.app(t)), time.Now()
	for _, step := range []struct {
		left  time.Duration
		given int64
	}{{0, 1}, {16 * time.Minute, 1}, {14 * time.Minute, 2}} {
		if step.left > 0 {
			tokens.until = now.Add(step.left)
		}
		if _, err := tokens.auth(now); err != nil || hub.given.Load() != step.given {
			t.Errorf("with %s left: %d tokens, %v", step.left, hub.given.Load(), err)
		}
	}
}
