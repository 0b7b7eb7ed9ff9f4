package image

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is an image registry on a free port of 127.0.0.1, which engines take
// without TLS.
type Registry struct {
	addr    string
	handler http.Handler

	mu         sync.Mutex
	user, pass string
	status     int
	server     *http.Server
	served     chan struct{}
}

// NewRegistry serves until the test ends.
func NewRegistry(t testing.TB) *Registry {
	t.Helper()
	r := &Registry{addr: "127.0.0.1:0", handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	r.Up(t)
	t.Cleanup(r.Down)
	return r
}

// Addr is "127.0.0.1:PORT".
func (r *Registry) Addr() string { return r.addr }

// Push stores an image as repo:tag and returns it by digest,
// "127.0.0.1:PORT/repo@sha256:…".
func (r *Registry) Push(t testing.TB, repoTag string, img v1.Image) string {
	t.Helper()
	ref, err := name.ParseReference(r.addr + "/" + repoTag)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithAuth(r.credentials())); err != nil {
		t.Fatalf("pushing %s: %v", ref, err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return ref.Context().Digest(digest.String()).String()
}

func (r *Registry) credentials() authn.Authenticator {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.user == "" {
		return authn.Anonymous
	}
	return &authn.Basic{Username: r.user, Password: r.pass}
}

// Lock asks every request for a name and a password from now on.
func (r *Registry) Lock(user, pass string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.user, r.pass = user, pass
}

// Break answers every request with an HTTP status; 0 heals it.
func (r *Registry) Break(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// Down closes the port and every connection. What was pushed stays.
func (r *Registry) Down() {
	r.mu.Lock()
	server, served := r.server, r.served
	r.server = nil
	r.mu.Unlock()
	if server != nil {
		server.Close()
		<-served
	}
}

// Up serves again, on the same port as before.
func (r *Registry) Up(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		t.Fatalf("registry: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addr = l.Addr().String()
	server, served := &http.Server{Handler: http.HandlerFunc(r.serve)}, make(chan struct{})
	r.server, r.served = server, served
	go func() {
		defer close(served)
		server.Serve(l)
	}()
}

func (r *Registry) serve(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	user, pass, status := r.user, r.pass, r.status
	r.mu.Unlock()
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	if u, p, _ := q.BasicAuth(); user != "" && (u != user || p != pass) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
		return
	}
	r.handler.ServeHTTP(w, q)
}
