package registry

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/image"
)

const digest = "sha256:f6e8ae35fd87ceb9c341e56074026fc481496a955192d8d0df3eaafd7070feda"

// serve is a registry on loopback that knows image:1 alone.
func serve(t *testing.T, status int) string {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/v2/image/manifests/1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", "100")
	})
	mux.HandleFunc("/v2/image/manifests/2", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestResolve_PinsATag(t *testing.T) {
	host := serve(t, http.StatusNotFound)
	if got, why := (Resolver{}).Resolve(t.Context(), host+"/image:1", nil); got != host+"/image@"+digest {
		t.Errorf("got %q, %+v", got, why)
	}
}

func TestResolve_SaysWhyNot(t *testing.T) {
	for status, want := range map[int]nodes.Failure{
		http.StatusNotFound:     {Code: nodes.ImageNotFound, Text: "image HOST/image:2 does not exist in registry HOST"},
		http.StatusUnauthorized: {Code: nodes.ImageUnauthorized, Text: "image HOST/image:2: registry HOST asks for credentials that the server does not have"},
		http.StatusTeapot:       {Code: nodes.RegistryUnreachable, Text: "image HOST/image:2: registry HOST answers with status 418"},
	} {
		host := serve(t, status)
		_, why := Resolver{}.Resolve(t.Context(), host+"/image:2", nil)
		if why == nil || why.Code != want.Code || why.Text != strings.ReplaceAll(want.Text, "HOST", host) {
			t.Errorf("%d: got %+v", status, why)
		}
	}
}

func TestResolve_NobodyThere(t *testing.T) {
	host := closed(t)
	_, why := Resolver{}.Resolve(t.Context(), host+"/image:1", nil)
	want := "image " + host + "/image:1: registry " + host + " does not answer: dial tcp " + host + ": connect: connection refused"
	if why == nil || why.Code != nodes.RegistryUnreachable || why.Text != want {
		t.Errorf("got %+v", why)
	}
}

func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A registry that accepts and says nothing is told of in words.
func TestResolve_Hangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	host := l.Addr().String()
	_, why := Resolver{}.Resolve(ctx, host+"/image:1", nil)
	if why == nil || why.Text != "image "+host+"/image:1: registry "+host+" does not answer: it took too long" {
		t.Errorf("got %+v", why)
	}
}

// Mirrors are asked first, and stand for their registry: the pinned image names
// the registry. Where none has the image, the registry's word counts.
func TestResolve_ByTheClustersMirrors(t *testing.T) {
	mirror, other := serve(t, http.StatusNotFound), closed(t)
	by := []schema.Registry{{Name: "registry.invalid", Mirrors: []string{other, "http://" + mirror}}}
	if got, why := (Resolver{}).Resolve(t.Context(), "registry.invalid/image:1", by); got != "registry.invalid/image@"+digest {
		t.Errorf("got %q, %+v", got, why)
	}
	by = []schema.Registry{{Name: mirror, Mirrors: []string{mirror + "/elsewhere"}}}
	if got, why := (Resolver{}).Resolve(t.Context(), mirror+"/image:1", by); got != mirror+"/image@"+digest {
		t.Errorf("a mirror without it: %q, %+v", got, why)
	}
	if _, why := (Resolver{}).Resolve(t.Context(), mirror+"/image:2", by); why == nil || why.Code != nodes.ImageNotFound {
		t.Errorf("nobody has it: %+v", why)
	}
}

// The password comes from the file that the server was given.
func TestResolve_WithAPasswordFile(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	reg := image.NewRegistry(t)
	ref := reg.Push(t, "test/program:1", image.Program(t, "1"))
	reg.Lock("ann", "secret")
	if _, why := (Resolver{}).Resolve(t.Context(), ref, nil); why == nil || why.Code != nodes.ImageUnauthorized {
		t.Errorf("without a password: %+v", why)
	}
	file := filepath.Join(t.TempDir(), "auth.json")
	text := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, reg.Addr(), base64.StdEncoding.EncodeToString([]byte("ann:secret")))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, why := (Resolver{AuthFile: file}).Resolve(t.Context(), ref, nil); why != nil {
		t.Errorf("got %q, %+v", got, why)
	}
}
