package forge_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler/forge"
)

const secret = "It's a Secret to Everybody"

// hooked is a Hook of branch main, and what it caused.
type hooked struct {
	http.Handler
	file         string
	looks, pulls int
}

func newHook(t testing.TB, pulls bool) *hooked {
	t.Helper()
	h := &hooked{file: filepath.Join(t.TempDir(), "secret")}
	h.keep(t, secret)
	c := forge.HookConfig{SecretFile: h.file, Branch: "main", Look: func() { h.looks++ }}
	if pulls {
		c.Pulls = func() { h.pulls++ }
	}
	hook, err := forge.NewHook(c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	hook.Mount(mux)
	h.Handler = mux
	return h
}

func (h *hooked) keep(t testing.TB, lines ...string) {
	t.Helper()
	if err := os.WriteFile(h.file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (h *hooked) post(forge, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/hooks/"+forge, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func mac(body, by string) string {
	m := hmac.New(sha256.New, []byte(by))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

// TestHook_HearsTheFourForges: by the headers that each documents.
func TestHook_HearsTheFourForges(t *testing.T) {
	push := `{"before": "1", "commits": [{"ref": "refs/heads/decoy"}], "ref": "refs/heads/main"}`
	for name, c := range map[string]struct {
		forge, body string
		header      []string
		caused      string
		looks, pull int
	}{
		// The example of GitHub's own manual.
		"github's example": {"github", "Hello, World!", []string{"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "X-GitHub-Event", "push"}, "a look at main", 1, 0},
		"github, a push":   {"github", push, []string{"X-Hub-Signature-256", "sha256=" + mac(push, secret), "X-GitHub-Event", "push"}, "a look at main", 1, 0},
		"github, a ping":   {"github", "{}", []string{"X-Hub-Signature-256", "sha256=" + mac("{}", secret), "X-GitHub-Event", "ping"}, "nothing: the secret is right", 0, 0},
		"github, a form": {"github", "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fother%22%7D", []string{"Content-Type", "application/x-www-form-urlencoded",
			"X-Hub-Signature-256", "sha256=" + mac("payload=%7B%22ref%22%3A%22refs%2Fheads%2Fother%22%7D", secret), "X-GitHub-Event", "push"}, "nothing: main is followed", 0, 0},
		"gitlab, a push":        {"gitlab", push, []string{"X-Gitlab-Token", secret, "X-Gitlab-Event", "Push Hook"}, "a look at main", 1, 0},
		"gitlab, a merge":       {"gitlab", "{}", []string{"X-Gitlab-Token", secret, "X-Gitlab-Event", "Merge Request Hook"}, "a look at pull requests", 0, 1},
		"gitea, a push":         {"gitea", push, []string{"X-Gitea-Signature", mac(push, secret), "X-Gitea-Event", "push"}, "a look at main", 1, 0},
		"forgejo, a push":       {"forgejo", push, []string{"X-Forgejo-Signature", mac(push, secret), "X-Forgejo-Event", "push"}, "a look at main", 1, 0},
		"forgejo, as gitea":     {"forgejo", push, []string{"X-Gitea-Signature", mac(push, secret), "X-Gitea-Event", "push"}, "a look at main", 1, 0},
		"gitea, a pull request": {"gitea", "{}", []string{"X-Gitea-Signature", mac("{}", secret), "X-Gitea-Event", "pull_request"}, "a look at pull requests", 0, 1},
		"gitea, an issue":       {"gitea", "{}", []string{"X-Gitea-Signature", mac("{}", secret), "X-Gitea-Event", "issues"}, "nothing: no such event is waited for", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook(t, true)
			w := h.post(c.forge, c.body, c.header...)
			var a forge.Answer
			if err := json.Unmarshal(w.Body.Bytes(), &a); w.Code != http.StatusAccepted || err != nil || a.Caused != c.caused {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
			if h.looks != c.looks || h.pulls != c.pull {
				t.Errorf("%d looks, and %d at pull requests", h.looks, h.pulls)
			}
		})
	}
}

// TestHook_RefusesWhatIsNotOfTheSecret, and looks for none of it.
func TestHook_RefusesWhatIsNotOfTheSecret(t *testing.T) {
	for name, c := range map[string]struct {
		forge, body string
		header      []string
		code        int
	}{
		"no signature":             {"github", "{}", []string{"X-GitHub-Event", "push"}, http.StatusUnauthorized},
		"another secret":           {"github", "{}", []string{"X-Hub-Signature-256", "sha256=" + mac("{}", "another secret")}, http.StatusUnauthorized},
		"another body":             {"github", "{ }", []string{"X-Hub-Signature-256", "sha256=" + mac("{}", secret)}, http.StatusUnauthorized},
		"the old hash":             {"github", "{}", []string{"X-Hub-Signature-256", "sha1=" + mac("{}", secret)}, http.StatusUnauthorized},
		"no hex":                   {"gitea", "{}", []string{"X-Gitea-Signature", "zz"}, http.StatusUnauthorized},
		"a part of it":             {"gitea", "{}", []string{"X-Gitea-Signature", mac("{}", secret)[:10]}, http.StatusUnauthorized},
		"another token":            {"gitlab", "{}", []string{"X-Gitlab-Token", secret + "!"}, http.StatusUnauthorized},
		"a signature as the token": {"gitlab", "{}", []string{"X-Gitlab-Token", mac("{}", secret)}, http.StatusUnauthorized},
		"another forge's header":   {"gitlab", "{}", []string{"X-Hub-Signature-256", "sha256=" + mac("{}", secret)}, http.StatusUnauthorized},
		"another forge":            {"sourcehut", "{}", nil, http.StatusNotFound},
	} {
		h := newHook(t, true)
		if w := h.post(c.forge, c.body, append(c.header, "X-Gitea-Event", "push", "X-Gitlab-Event", "Push Hook")...); w.Code != c.code {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if h.looks+h.pulls > 0 {
			t.Errorf("%s: it caused a look", name)
		}
	}
}

// endless is a body without an end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
}

// TestHook_ReadsNoMoreThanItMust: a body above the limit is refused at the limit,
// and that of who has no signature is not read at all (I35).
func TestHook_ReadsNoMoreThanItMust(t *testing.T) {
	h := newHook(t, false)
	for name, c := range map[string]struct {
		header string
		code   int
		least  int
	}{
		"too large":      {"sha256=00", http.StatusRequestEntityTooLarge, forge.MaxPayload},
		"of an unsealed": {"", http.StatusUnauthorized, 0},
	} {
		body := &endless{}
		r := httptest.NewRequest(http.MethodPost, "/hooks/github", io.NopCloser(body))
		r.Header.Set("X-Hub-Signature-256", c.header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.code || body.read < c.least || body.read > 3*c.least {
			t.Errorf("%s: %d after %d bytes", name, w.Code, body.read)
		}
	}
}

// TestHook_WhileTheSecretIsChanged both are good, and then only the new one.
func TestHook_WhileTheSecretIsChanged(t *testing.T) {
	h := newHook(t, false)
	post := func(by string) int {
		return h.post("gitea", "{}", "X-Gitea-Signature", mac("{}", by), "X-Gitea-Event", "push").Code
	}
	h.keep(t, secret, "the second secret")
	if a, b := post(secret), post("the second secret"); a != http.StatusAccepted || b != http.StatusAccepted {
		t.Errorf("with both: %d and %d", a, b)
	}
	h.keep(t, "the second secret")
	if a, b := post(secret), post("the second secret"); a != http.StatusUnauthorized || b != http.StatusAccepted {
		t.Errorf("with the second: %d and %d", a, b)
	}
	h.keep(t, "")
	if a := post(""); a != http.StatusInternalServerError {
		t.Errorf("with none: %d", a)
	}
	if w := h.post("gitlab", "{}", "X-Gitlab-Token", " "); w.Code == http.StatusAccepted {
		t.Error("no secret opens")
	}
}

// TestHook_WantsASecretThatCannotBeGuessed before it serves.
func TestHook_WantsASecretThatCannotBeGuessed(t *testing.T) {
	for _, text := range []string{"", "\n\n", "short\n"} {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := forge.NewHook(forge.HookConfig{SecretFile: file, Look: func() {}}); err == nil || !strings.Contains(err.Error(), "openssl rand") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParseEvent: whatever comes is an event, and its ref can be shown to people.
func FuzzParseEvent(f *testing.F) {
	f.Add("push", "application/json", []byte(`{"ref": "refs/heads/main"}`))
	f.Add("Push Hook", "application/json", []byte(`{"a": [{"ref": 1}], "ref": {"ref": "x"}}`))
	f.Add("push", "application/x-www-form-urlencoded", []byte("payload=%7B%22ref%22:%22x%22%7D"))
	f.Add("push", "", []byte(`{"ref": "a\nb`))
	f.Add("push", "", []byte(strings.Repeat("[", 1000)))
	f.Fuzz(func(t *testing.T, name, contentType string, body []byte) {
		e := forge.ParseEvent(name, contentType, body)
		if e.Kind == "" || len(e.Ref) > 255 || strings.ContainsAny(e.Ref, "\n\r\t\x00 ") {
			t.Errorf("%+v", e)
		}
		if e.Ref != "" && e.Kind != forge.Push {
			t.Errorf("a ref of %s", e.Kind)
		}
	})
}

// FuzzHook: nothing looks but what is of the secret (I39).
func FuzzHook(f *testing.F) {
	f.Add("github", "X-Hub-Signature-256", "sha256="+mac("{}", "x"), "push", []byte("{}"))
	f.Add("gitlab", "X-Gitlab-Token", secret[:10], "Push Hook", []byte("{}"))
	f.Add("gitea", "X-Gitea-Signature", "", "push", []byte(""))
	h := newHook(f, true)
	f.Fuzz(func(t *testing.T, forge, header, proof, event string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/hooks/x", bytes.NewReader(body))
		r.URL.Path = "/hooks/" + forge
		r.Header[http.CanonicalHeaderKey(header)] = []string{proof}
		for _, name := range []string{"X-GitHub-Event", "X-Gitlab-Event", "X-Gitea-Event"} {
			r.Header.Set(name, event)
		}
		sealed := proof == secret || strings.TrimPrefix(proof, "sha256=") == mac(string(body), secret)
		h.looks, h.pulls = 0, 0
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if !sealed && (h.looks+h.pulls > 0 || w.Code == http.StatusAccepted) {
			t.Errorf("%s %s: %d", header, proof, w.Code)
		}
	})
}
