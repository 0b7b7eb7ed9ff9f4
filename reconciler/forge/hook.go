package forge

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	// MaxPayload is the most that a webhook may send: GitHub's own limit.
	MaxPayload = 25 << 20
	// payloads is how many are read at once: their memory is bounded with them.
	payloads = 2
	// patience is how long one may take to arrive.
	patience = 20 * time.Second
	// shortestSecret keeps out what could be guessed.
	shortestSecret = 8
)

// HookConfig is what a Hook works with. SecretFile and Look are required.
type HookConfig struct {
	// SecretFile holds the secret that the forges were given; one on each line
	// while it is being changed. It is read for each webhook.
	SecretFile string
	// Branch is the one that is followed: a push to another causes nothing.
	Branch string
	// Look causes a look at the repository; it returns at once, and many calls
	// may come to one look.
	Look func()
	// Pulls causes a look at pull requests, likewise; nil is that nobody looks.
	Pulls func()
	Log   *slog.Logger
}

// Hook answers webhooks.
type Hook struct {
	HookConfig
	reading chan struct{}
}

// NewHook checks that there is a secret.
func NewHook(c HookConfig) (*Hook, error) {
	if c.Look == nil {
		return nil, errors.New("webhooks: nothing to look with")
	}
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	h := &Hook{c, make(chan struct{}, payloads)}
	_, err := h.secrets()
	return h, err
}

// Mount answers POST /hooks/{github,gitlab,gitea,forgejo}.
func (h *Hook) Mount(mux *http.ServeMux) { mux.HandleFunc("POST /hooks/{forge}", h.serve) }

// Answer is what a webhook is told.
type Answer struct {
	Event Kind   `json:"event"`
	Ref   string `json:"ref,omitempty"`
	// Caused is what it caused, in words.
	Caused string `json:"caused"`
}

func (h *Hook) serve(w http.ResponseWriter, r *http.Request) {
	is, known := seals[r.PathValue("forge")]
	if !known {
		http.Error(w, "no such forge: want /hooks/github, /hooks/gitlab, /hooks/gitea or /hooks/forgejo", http.StatusNotFound)
		return
	}
	if is.of(r.Header) == "" {
		http.Error(w, "a webhook without its "+is.headers[0]+": give the forge the secret in the server's --webhook-secret-file", http.StatusUnauthorized)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience)) // not every connection has one; the context ends it then
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	select {
	case h.reading <- struct{}{}:
		defer func() { <-h.reading }()
	case <-ctx.Done():
		http.Error(w, "too many webhooks at once", http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		refuse(w, err)
		return
	}
	h.answer(w, r, is, body)
}

func refuse(w http.ResponseWriter, err error) {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		http.Error(w, fmt.Sprintf("a webhook may have %d bytes", MaxPayload), http.StatusRequestEntityTooLarge)
		return
	}
	http.Error(w, "the webhook did not arrive whole", http.StatusBadRequest)
}

func (h *Hook) answer(w http.ResponseWriter, r *http.Request, is seal, body []byte) {
	secrets, err := h.secrets()
	if err != nil {
		h.Log.Error("webhook", "err", err)
		http.Error(w, "the server cannot read its secret", http.StatusInternalServerError)
		return
	}
	if !is.fits(r.Header, body, secrets) {
		h.Log.Warn("webhook refused: the secret is not ours", "forge", r.PathValue("forge"), "from", r.RemoteAddr)
		http.Error(w, "the webhook's "+is.headers[0]+" is not of our secret", http.StatusUnauthorized)
		return
	}
	e := ParseEvent(is.event(r.Header), r.Header.Get("Content-Type"), body)
	a := Answer{e.Kind, e.Ref, h.cause(e)}
	h.Log.Info("webhook", "forge", r.PathValue("forge"), "event", string(a.Event), "ref", a.Ref, "caused", a.Caused)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(a) // who called may be gone by now
}

// cause looks where there may be something new.
func (h *Hook) cause(e Event) string {
	switch {
	case e.Kind == Push && e.Ref != "" && h.Branch != "" && e.Ref != "refs/heads/"+h.Branch:
		return "nothing: " + h.Branch + " is followed"
	case e.Kind == Push:
		h.Look()
		return "a look at " + cmp.Or(h.Branch, "the repository")
	case e.Kind == Pull && h.Pulls != nil:
		h.Pulls()
		return "a look at pull requests"
	case e.Kind == Pull:
		return "nothing: no pull requests are watched; give the server a --forge-token-file"
	case e.Kind == Ping:
		return "nothing: the secret is right"
	}
	return "nothing: no such event is waited for"
}

// secrets are the lines of the file.
func (h *Hook) secrets() (all [][]byte, err error) {
	text, err := os.ReadFile(h.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("webhooks' secret: %w", err)
	}
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			all = append(all, bytes.Clone(line))
		}
	}
	for _, s := range all {
		if len(s) < shortestSecret {
			return nil, fmt.Errorf("webhooks' secret: %s has one of %d letters, and %d are the least: make one with `openssl rand -hex 32`", h.SecretFile, len(s), shortestSecret)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("webhooks' secret: %s is empty: make one with `openssl rand -hex 32`", h.SecretFile)
	}
	return all, nil
}

// seal is how a forge shows that it knows the secret.
type seal struct {
	// headers hold the proof, the first that is there counts; events name the event.
	headers, events []string
	prefix          string
	// plain is whether the proof is the secret itself, and not the HMAC-SHA256 of
	// the body under it.
	plain bool
}

// seals are by the last part of the path. Forgejo sends Gitea's headers, too.
var seals = map[string]seal{
	"github":  {headers: []string{"X-Hub-Signature-256"}, events: []string{"X-GitHub-Event"}, prefix: "sha256="},
	"gitlab":  {headers: []string{"X-Gitlab-Token"}, events: []string{"X-Gitlab-Event"}, plain: true},
	"gitea":   {headers: []string{"X-Gitea-Signature"}, events: []string{"X-Gitea-Event"}},
	"forgejo": {headers: []string{"X-Forgejo-Signature", "X-Gitea-Signature"}, events: []string{"X-Forgejo-Event", "X-Gitea-Event"}},
}

func (s *seal) of(h http.Header) string { return first(h, s.headers) }

func (s *seal) event(h http.Header) string { return first(h, s.events) }

func first(h http.Header, names []string) string {
	for _, name := range names {
		if v := h.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// fits is whether the proof is of one of the secrets. How long it takes does not
// tell how near a wrong one is: hashes are compared, in constant time, and all of
// them.
func (s *seal) fits(h http.Header, body []byte, secrets [][]byte) bool {
	proof := []byte(s.of(h))
	if !s.plain {
		text, ok := strings.CutPrefix(string(proof), s.prefix)
		sum, err := hex.DecodeString(text)
		if !ok || err != nil {
			return false
		}
		proof = sum
	}
	fits := 0
	for _, secret := range secrets {
		want := secret
		if !s.plain {
			want = sum(body, secret)
		}
		a, b := sha256.Sum256(proof), sha256.Sum256(want)
		fits |= subtle.ConstantTimeCompare(a[:], b[:])
	}
	return fits == 1
}

func sum(body, secret []byte) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write(body)
	return m.Sum(nil)
}
