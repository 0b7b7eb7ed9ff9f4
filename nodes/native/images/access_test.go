package images_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/testenv/image"
)

func TestAccess_Passwords(t *testing.T) {
	r := image.NewRegistry(t)
	ref := r.Push(t, "shop/web:1", webImage(t))
	r.Lock("ann", "secret")
	config := func(user, pass string) string {
		path := filepath.Join(t.TempDir(), "config.json")
		auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + pass))
		if err := os.WriteFile(path, fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, r.Addr(), auth), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hook := func(c images.Credentials, err error) func(context.Context, string) (images.Credentials, error) {
		return func(_ context.Context, registry string) (images.Credentials, error) {
			if registry != r.Addr() {
				t.Errorf("asked for %s", registry)
			}
			return c, err
		}
	}
	helper := filepath.Join(t.TempDir(), "docker-credential-test")
	os.WriteFile(helper, []byte("#!/bin/sh\necho '{\"Username\":\"ann\",\"Secret\":\"secret\"}'\n"), 0o700)
	t.Setenv("PATH", filepath.Dir(helper)+":"+os.Getenv("PATH"))
	helped := filepath.Join(t.TempDir(), "config.json")
	os.WriteFile(helped, fmt.Appendf(nil, `{"credHelpers":{%q:"test"}}`, r.Addr()), 0o600)
	garbled := filepath.Join(t.TempDir(), "config.json")
	os.WriteFile(garbled, []byte("{"), 0o600)
	for name, c := range map[string]struct {
		cfg   images.Config
		right bool
	}{
		"none":                 {images.Config{AuthFile: filepath.Join(t.TempDir(), "none")}, false},
		"a file":               {images.Config{AuthFile: config("ann", "secret")}, true},
		"a file, wrong":        {images.Config{AuthFile: config("ann", "x")}, false},
		"a helper":             {images.Config{AuthFile: helped}, true},
		"a garbled file":       {images.Config{AuthFile: garbled}, false},
		"settings":             {images.Config{Credentials: hook(images.Credentials{User: "ann", Password: "secret"}, nil)}, true},
		"settings over a file": {images.Config{AuthFile: config("ann", "secret"), Credentials: hook(images.Credentials{User: "ann", Password: "x"}, nil)}, false},
		"no settings, a file":  {images.Config{AuthFile: config("ann", "secret"), Credentials: hook(images.Credentials{}, nil)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, c.cfg).Pull(t.Context(), ref)
			if c.right && err != nil {
				t.Fatal(err)
			}
			if !c.right {
				wantFailure(t, err, nodes.ImageUnauthorized, "`docker login "+r.Addr())
				if strings.Contains(err.Error(), "secret") {
					t.Error("the password is in the error")
				}
			}
		})
	}
	_, err := open(t, images.Config{Credentials: hook(images.Credentials{}, errors.New("settings are broken"))}).Pull(t.Context(), ref)
	wantFailure(t, err, nodes.PullFailed, "settings are broken")
}

func TestAccess_DefaultConfigFile(t *testing.T) {
	r := image.NewRegistry(t)
	ref := r.Push(t, "shop/web:1", webImage(t))
	r.Lock("ann", "secret")
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", dir)
	auth := base64.StdEncoding.EncodeToString([]byte("ann:secret"))
	if err := os.WriteFile(dir+"/config.json", fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, r.Addr(), auth), 0o600); err != nil {
		t.Fatal(err)
	}
	mustPull(t, open(t, images.Config{}), ref)
}

// asProxy makes a store reach every host at one server.
func asProxy(t *testing.T, s *images.Store, server *httptest.Server) {
	t.Helper()
	images.SetDial(s, server.Listener.Addr().String())
}

func TestAccess_PlainHTTPOnlyWhereAllowed(t *testing.T) {
	f := newFaulty(t)
	f.add(t, "1", big(t, 1000))
	const host = "10.1.2.3:5000"
	s := open(t, images.Config{})
	asProxy(t, s, f.Server)
	_, err := s.Pull(t.Context(), host+"/shop/web:1")
	wantFailure(t, err, nodes.RegistryUnreachable, "10.1.2.3:5000 does not speak TLS")
	listed := open(t, images.Config{PlainHTTP: []string{host}})
	asProxy(t, listed, f.Server)
	mustPull(t, listed, host+"/shop/web:1")
}

func TestAccess_UnknownCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := open(t, images.Config{}).Pull(t.Context(), strings.TrimPrefix(server.URL, "https://")+"/shop/web:1")
	wantFailure(t, err, nodes.RegistryUnreachable, "certificate")
}

func TestAccess_Redirects(t *testing.T) {
	f, store := newFaulty(t), newFaulty(t)
	img := big(t, 2000)
	f.add(t, "1", img)
	store.add(t, "1", img)
	var to string
	f.blob = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		http.Redirect(w, r, to+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	to = store.URL
	mustPull(t, open(t, images.Config{}), f.ref("1"))

	const outer = "registry.example:5000"
	for _, inside := range []string{"http://169.254.169.254", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"} {
		to = inside
		s := open(t, images.Config{PlainHTTP: []string{outer}})
		asProxy(t, s, f.Server)
		_, err := s.Pull(soon(t), outer+"/shop/web:1")
		wantFailure(t, err, nodes.PullFailed, "this machine or its cloud's inside")
	}
	to = f.URL
	_, err := open(t, images.Config{}).Pull(soon(t), f.ref("1"))
	wantFailure(t, err, nodes.RegistryUnreachable, "redirected 10 times")
}

// Who gives out tokens is named by the registry, and not believed either.
func TestAccess_TokensFromInside(t *testing.T) {
	asked := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer inside.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "http://"), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0"} {
		registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+host+":"+port+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		const outer = "registry.example:5000"
		s := open(t, images.Config{PlainHTTP: []string{outer}})
		asProxy(t, s, registry)
		_, err := s.Pull(soon(t), outer+"/shop/web:1")
		wantFailure(t, err, nodes.PullFailed)
		if asked {
			t.Errorf("%s was asked", host)
		}
		registry.Close()
	}
}

func TestReference_Refused(t *testing.T) {
	s := open(t, images.Config{})
	for _, ref := range []string{"", "UPPER/case", "a b", "repo@sha256:short", "repo@sha512:" + strings.Repeat("a", 128), "sha256:" + strings.Repeat("a", 64), "-x", "../up"} {
		_, err := s.Pull(t.Context(), ref)
		wantFailure(t, err, nodes.ImageNotFound)
		_, err = s.Get(ref)
		wantFailure(t, err, nodes.ImageNotFound)
	}
}

func TestConfig_Refused(t *testing.T) {
	for _, cfg := range []images.Config{{}, {Dir: t.TempDir(), Platform: "linux"}, {Dir: t.TempDir(), High: 50, Low: 60}, {Dir: "/dev/null/x"}} {
		if s, err := images.Open(cfg); err == nil {
			s.Close()
			t.Errorf("%+v was taken", cfg)
		}
	}
}
