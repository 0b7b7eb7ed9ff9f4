package demo

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T) *Registry {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := Serve(l)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// transport is a client's of its own, so that no connection outlives the test.
func transport(t *testing.T) remote.Option {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	return remote.WithTransport(tr)
}

func tag(t *testing.T, text string) name.Tag {
	t.Helper()
	n, err := name.NewTag(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRegistry_ServesThreeValidImagesOfOneLayer(t *testing.T) {
	r := serve(t)
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	digests, layers := map[string]bool{}, map[string]bool{}
	for _, version := range Versions {
		image, err := remote.Image(tag(t, r.Image()+":"+version), transport(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(image); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"VERSION=" + version}; !cmp.Equal(config.Config.Env, want) || config.Config.User != "65532:65532" {
			t.Errorf("%s: env %v, user %q", version, config.Config.Env, config.Config.User)
		}
		d, _ := image.Digest()
		digests[d.String()] = true
		m, _ := image.Manifest()
		layers[m.Layers[0].Digest.String()] = true
	}
	if len(digests) != 3 || len(layers) != 1 {
		t.Errorf("%d digests, %d layers; want 3 and 1", len(digests), len(layers))
	}
}

func TestRegistry_TwoRunsMakeTheSameDigests(t *testing.T) {
	var seen [2][]string
	for i := range seen {
		r := serve(t)
		if err := r.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, version := range Versions {
			d, err := remote.Head(tag(t, r.Image()+":"+version), transport(t))
			if err != nil {
				t.Fatal(err)
			}
			seen[i] = append(seen[i], d.Digest.String())
		}
	}
	if diff := cmp.Diff(seen[0], seen[1]); diff != "" {
		t.Error(diff)
	}
}

func TestRegistry_RefusesToBeWritten(t *testing.T) {
	r := serve(t)
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := remote.Write(tag(t, r.Image()+":1"), empty.Image, transport(t))
	if err == nil || !strings.Contains(err.Error(), "405") {
		t.Errorf("a foreign push: %v", err)
	}
}

func TestRegistry_RequestsWaitForTheImages(t *testing.T) {
	r := serve(t)
	type answer struct {
		code int
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		resp, err := http.Get("http://" + r.address + "/v2/hello/manifests/1")
		if err != nil {
			got <- answer{err: err}
			return
		}
		defer resp.Body.Close()
		var manifest map[string]any
		got <- answer{resp.StatusCode, json.NewDecoder(resp.Body).Decode(&manifest)}
	}()
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := <-got; a.code != 200 || a.err != nil {
		t.Errorf("%d %v", a.code, a.err)
	}
}

func TestRegistry_FailedLoadIsToldToEngines(t *testing.T) {
	r := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want := r.Load(ctx)
	if want == nil {
		t.Fatal("loaded although its context had ended")
	}
	resp, err := http.Get("http://" + r.address + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %s", resp.Status)
	}
}
