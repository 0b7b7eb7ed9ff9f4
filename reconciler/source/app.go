package source

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// App is a GitHub App, whose installation may read the repository.
type App struct {
	// ID is the app's, or its client id; Installation the number of the
	// installation in the repository's organisation.
	ID, Installation string
	// KeyFile is the app's private key, PEM.
	KeyFile string
	// API is GitHub's, or a GitHub Enterprise Server's; https://api.github.com if
	// empty.
	API string
}

// used is whether an app is configured at all.
func (a App) used() bool { return a != App{} }

func (a App) check(cfg *Config) error {
	switch {
	case !a.used():
		return nil
	case a.ID == "" || a.Installation == "" || a.KeyFile == "":
		return errors.New("git source: a GitHub App wants its id, its installation and the file of its key")
	case cfg.TokenFile != "" || cfg.UserFile != "":
		return errors.New("git source: give a GitHub App or a token, not both")
	}
	u, err := url.Parse(a.api())
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return fmt.Errorf("git source: the API %q of a GitHub App must be https://", a.API)
	}
	return nil
}

func (a App) api() string { return cmp.Or(a.API, "https://api.github.com") }

const (
	// appEarly is how long before its end a token is replaced: longer than a fetch.
	appEarly = 15 * time.Minute
	// appLife is how long what we sign is good; GitHub takes 10 minutes at most.
	appLife = 9 * time.Minute
	// appSkew is how far our clock may be ahead of GitHub's.
	appSkew = time.Minute
)

// appTokens keeps the token of an installation, which is good for an hour.
type appTokens struct {
	app    App
	client *http.Client

	mu    sync.Mutex
	token string
	until time.Time
}

func newAppTokens(app App) *appTokens {
	return &appTokens{app: app, client: &http.Client{Timeout: askTimeout}}
}

// auth is a token as go-git takes it.
func (t *appTokens) auth(now time.Time) (*githttp.BasicAuth, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == "" || now.After(t.until.Add(-appEarly)) {
		if err := t.renew(now); err != nil {
			return nil, err
		}
	}
	return &githttp.BasicAuth{Username: "x-access-token", Password: t.token}, nil
}

func (t *appTokens) renew(now time.Time) error {
	signed, err := t.app.sign(now)
	if err != nil {
		return &fault{CodeCredentials, "the key of the GitHub App cannot be used", "openssl rsa -check -noout -in " + t.app.KeyFile, err}
	}
	where := t.app.api() + "/app/installations/" + url.PathEscape(t.app.Installation) + "/access_tokens"
	req, err := http.NewRequest(http.MethodPost, where, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+signed)
	req.Header.Set("Accept", "application/vnd.github+json")
	res, err := t.client.Do(req)
	if err != nil {
		return &fault{CodeUnreachable, t.app.api() + " does not answer", "curl -I " + t.app.api(), withoutURL(err)}
	}
	defer res.Body.Close()
	var answer struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
		Message string    `json:"message"`
	}
	err = json.NewDecoder(http.MaxBytesReader(nil, res.Body, 1<<20)).Decode(&answer)
	if res.StatusCode/100 == 5 {
		return &fault{CodeUnreachable, fmt.Sprintf("%s answers with status %d", t.app.api(), res.StatusCode), "curl -I " + t.app.api(), nil}
	}
	if err != nil || res.StatusCode != http.StatusCreated || answer.Token == "" {
		return &fault{CodeUnauthorized, fmt.Sprintf("%s gives the GitHub App %s no token for its installation %s: status %d %s", t.app.api(), t.app.ID, t.app.Installation, res.StatusCode, oneLine(answer.Message)),
			"see that the app's id, installation and key belong together, and that it may read contents", nil}
	}
	t.token, t.until = answer.Token, answer.Expires
	return nil
}

// sign is a JSON Web Token by which the app says who it is, RS256.
func (a App) sign(now time.Time) (string, error) {
	key, err := readRSA(a.KeyFile)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iat": now.Add(-appSkew).Unix(), "exp": now.Add(appLife).Unix(), "iss": a.ID})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	return text + "." + encode(signature), err
}

// readRSA reads a key as GitHub gives it, or as openssl converts it.
func readRSA(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(strconv.Quote(file) + " is no PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := any.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New(strconv.Quote(file) + " is no RSA key")
	}
	return key, nil
}
