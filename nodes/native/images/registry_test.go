package images_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// faulty is a registry of one repository that a test makes misbehave.
type faulty struct {
	*httptest.Server
	content map[string][]byte // by "manifests/ID" and "blobs/DIGEST"
	types   map[string]string

	mu    sync.Mutex
	asked map[string]int
	// blob, if set, answers for a blob; false leaves it to the registry.
	blob func(w http.ResponseWriter, r *http.Request, body []byte) bool
}

func newFaulty(t testing.TB) *faulty {
	f := &faulty{content: map[string][]byte{}, types: map[string]string{}, asked: map[string]int{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	return f
}

func (f *faulty) addr() string { return strings.TrimPrefix(f.URL, "http://") }
func (f *faulty) ref(id string) string {
	if strings.HasPrefix(id, "sha256:") {
		return f.addr() + "/shop/web@" + id
	}
	return f.addr() + "/shop/web:" + id
}

// add stores an image under its digest and a tag, and returns it by digest.
func (f *faulty) add(t testing.TB, tag string, img v1.Image) string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.ReadFrom(r)
		r.Close()
		d, _ := l.Digest()
		f.content["blobs/"+d.String()] = b.Bytes()
	}
	config, _ := img.RawConfigFile()
	name, _ := img.ConfigName()
	f.content["blobs/"+name.String()] = config
	manifest, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	media, _ := img.MediaType()
	return f.addManifest(t, tag, string(media), manifest)
}

func (f *faulty) addManifest(t testing.TB, tag, media string, manifest []byte) string {
	t.Helper()
	d, _, err := v1.SHA256(bytes.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{tag, d.String()} {
		f.content["manifests/"+id], f.types["manifests/"+id] = manifest, media
	}
	return f.ref(d.String())
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/v2/shop/web/")
	if r.URL.Path == "/v2/" {
		return
	}
	body, ok := f.content[key]
	if !ok {
		http.NotFound(w, r)
		return
	}
	f.mu.Lock()
	f.asked[key]++
	f.mu.Unlock()
	if m := f.types[key]; m != "" {
		w.Header().Set("Content-Type", m)
	}
	if f.blob != nil && strings.HasPrefix(key, "blobs/") && len(body) > 1000 && f.blob(w, r, body) {
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// times is how often something was asked for.
func (f *faulty) times(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := 0
	for k, n := range f.asked {
		if strings.HasPrefix(k, kind) && len(f.content[k]) > 1000 {
			sum += n
		}
	}
	return sum
}

// big is an image whose layer does not compress.
func big(t testing.TB, size int) v1.Image {
	t.Helper()
	noise := make([]byte, size)
	rand.Read(noise)
	return layered(t, v1.Config{}, archived(t, file("noise", string(noise))))
}
