package images_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/images"
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

func TestFaulty_InterruptedDownloadGoesOnWhereItStopped(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 1<<20))
	var broken, resumed atomic.Int32
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if r.Header.Get("Range") != "" {
			resumed.Add(1)
		}
		if broken.Add(1) > 2 {
			return false
		}
		return breakOff(w, r, body, len(body)/4)
	}
	mustPull(t, open(t, images.Config{}), ref)
	if resumed.Load() != 2 {
		t.Errorf("%d attempts went on where the last had stopped", resumed.Load())
	}
}

// breakOff sends n bytes of what was asked for and drops the connection.
func breakOff(w http.ResponseWriter, r *http.Request, body []byte, n int) bool {
	from := 0
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Write(body[from:min(from+n, len(body))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestFaulty_NextProcessGoesOnWhereTheLastStopped(t *testing.T) {
	f := newFaulty(t)
	ref, dir := f.add(t, "1", big(t, 1<<20)), t.TempDir()
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		return breakOff(w, r, body, len(body)/10)
	}
	s := open(t, images.Config{Dir: dir})
	_, err := s.Pull(soon(t), ref)
	wantFailure(t, err, nodes.RegistryUnreachable)
	wantNothingLeft(t, dir, "partial")
	s.Close()
	var from atomic.Value
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		from.Store(r.Header.Get("Range"))
		return false
	}
	mustPull(t, open(t, images.Config{Dir: dir}), ref)
	if got := fmt.Sprint(from.Load()); got == "" || strings.HasPrefix(got, "bytes=0-") {
		t.Errorf("asked for %q", got)
	}
	wantNothingHalf(t, dir)
}

func TestFaulty_SpoiledRestOfAnEarlierAttempt(t *testing.T) {
	f := newFaulty(t)
	ref, dir := f.add(t, "1", big(t, 1<<20)), t.TempDir()
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		return breakOff(w, r, body, len(body)/10)
	}
	s := open(t, images.Config{Dir: dir})
	s.Pull(soon(t), ref)
	s.Close()
	spoil(t, dir)
	f.blob = nil
	mustPull(t, open(t, images.Config{Dir: dir}), ref)
}

func TestFaulty_RegistryWithoutRanges(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 1<<20))
	first := atomic.Bool{}
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		r.Header.Del("Range")
		return !first.Swap(true) && breakOff(w, r, body, len(body)/2)
	}
	mustPull(t, open(t, images.Config{}), ref)
}

func TestFaulty_WrongContent(t *testing.T) {
	noisy := func(body []byte) []byte { b := bytes.Clone(body); b[len(b)/2] ^= 1; return b }
	for name, c := range map[string]struct {
		serve func(w http.ResponseWriter, body []byte)
		code  nodes.FailureCode
		words string
	}{
		"one bit":   {func(w http.ResponseWriter, b []byte) { w.Write(noisy(b)) }, nodes.PullFailed, "is not what its digest says"},
		"too short": {func(w http.ResponseWriter, b []byte) { w.Write(b[:len(b)-5]) }, nodes.RegistryUnreachable, "breaks off in the middle"},
		"too long":  {func(w http.ResponseWriter, b []byte) { w.Write(append(bytes.Clone(b), 'x')) }, nodes.PullFailed, "longer than"},
		"lost":      {func(w http.ResponseWriter, b []byte) { lost(w) }, nodes.PullFailed, "has lost a part of it"},
		"ill":       {func(w http.ResponseWriter, b []byte) { w.WriteHeader(503) }, nodes.RegistryUnreachable, "status 503"},
		"too often": {func(w http.ResponseWriter, b []byte) { w.WriteHeader(429) }, nodes.PullFailed, "no more pulls for now"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			ref, dir := f.add(t, "1", big(t, 100<<10)), t.TempDir()
			f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool { c.serve(w, body); return true }
			_, err := open(t, images.Config{Dir: dir}).Pull(soon(t), ref)
			wantFailure(t, err, c.code, c.words)
			wantNothingLeft(t, dir, "partial")
		})
	}
}

func lost(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(404)
	json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": "BLOB_UNKNOWN", "message": "gone"}}})
}

func TestFaulty_DripsAndHangs(t *testing.T) {
	for name, serve := range map[string]func(w http.ResponseWriter, r *http.Request, body []byte){
		"drips":             func(w http.ResponseWriter, r *http.Request, body []byte) { drip(w, r, body, 20*time.Millisecond) },
		"hangs at once":     func(w http.ResponseWriter, r *http.Request, body []byte) { <-r.Context().Done() },
		"hangs in the body": func(w http.ResponseWriter, r *http.Request, body []byte) { drip(w, r, body, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			ref, dir := f.add(t, "1", big(t, 100<<10)), t.TempDir()
			f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool { serve(w, r, body); return true }
			s := open(t, images.Config{Dir: dir, Stall: 300 * time.Millisecond})
			_, err := s.Pull(soon(t), ref)
			wantFailure(t, err, nodes.RegistryUnreachable, f.addr())
			wantNothingLeft(t, dir, "partial")
		})
	}
}

// drip sends a byte at a time.
func drip(w http.ResponseWriter, r *http.Request, body []byte, every time.Duration) {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for _, b := range body {
		w.Write([]byte{b})
		w.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

func TestFaulty_DeadlineEndsAPull(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 100<<10))
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool { <-r.Context().Done(); return true }
	_, err := open(t, images.Config{Deadline: 200 * time.Millisecond}).Pull(soon(t), ref)
	wantFailure(t, err, nodes.RegistryUnreachable, "the time for a pull is over: 200ms")
}

func TestFaulty_ManyPullsAskOnce(t *testing.T) {
	f := newFaulty(t)
	noise := make([]byte, 5000)
	rand.Read(noise)
	base := archived(t, file("base", string(noise)))
	refs := []string{
		f.add(t, "1", layered(t, v1.Config{}, base, archived(t, file("1", "x")))),
		f.add(t, "2", layered(t, v1.Config{User: "x"}, base, archived(t, file("2", "x")))),
	}
	all := make(chan struct{})
	f.blob = func(http.ResponseWriter, *http.Request, []byte) bool { <-all; return false }
	s := open(t, images.Config{})
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			if _, err := s.Pull(t.Context(), refs[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(t, func() bool { return images.Waiting(s) == 30 })
	close(all)
	wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, n := range f.asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", k, n)
		}
	}
}

func TestFaulty_WhoGivesUpEndsOnlyHisOwnWait(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 100<<10))
	asked, goOn := make(chan struct{}, 10), make(chan struct{})
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		asked <- struct{}{}
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		return false
	}
	s := open(t, images.Config{})
	patient := make(chan error, 1)
	hasty, give := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() { _, err := s.Pull(hasty, ref); gaveUp <- err }()
	<-asked
	go func() { _, err := s.Pull(t.Context(), ref); patient <- err }()
	waitFor(t, func() bool { return images.Waiting(s) == 2 })
	give()
	if err := <-gaveUp; err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("who gave up got %v", err)
	}
	close(goOn)
	if err := <-patient; err != nil {
		t.Error(err)
	}
	if n := f.times("blobs/"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestFaulty_NobodyWaitsEndsThePull(t *testing.T) {
	f := newFaulty(t)
	ref, dir := f.add(t, "1", big(t, 100<<10)), t.TempDir()
	asked, ended := make(chan struct{}), make(chan struct{})
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		close(asked)
		<-r.Context().Done()
		close(ended)
		return true
	}
	s := open(t, images.Config{Dir: dir})
	ctx, give := context.WithCancel(t.Context())
	go func() { <-asked; give() }()
	if _, err := s.Pull(ctx, ref); err == nil {
		t.Fatal("pulled")
	}
	<-ended
	f.blob = nil
	mustPull(t, s, ref)
}

// waitFor polls: what is waited for is inside the package and tells nobody.
func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestFaulty_LayerThatUnpacksToSomethingElse(t *testing.T) {
	f := newFaulty(t)
	stream := archived(t, file("a", strings.Repeat("x", 2000)))
	other, _, _ := v1.SHA256(strings.NewReader("other"))
	ref, dir := f.add(t, "1", imageOf(t, v1.Config{}, raw{stream, other})), t.TempDir()
	_, err := open(t, images.Config{Dir: dir}).Pull(t.Context(), ref)
	wantFailure(t, err, nodes.PullFailed, "it unpacks to sha256:", "config says "+other.String())
	wantNothingLeft(t, dir)
}

func TestFaulty_Zstd(t *testing.T) {
	f := newFaulty(t)
	stream := archived(t, file("a", "x"))
	diff, _, _ := v1.SHA256(bytes.NewReader(stream))
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	ref := f.add(t, "1", imageOf(t, v1.Config{}, raw{z.EncodeAll(stream, nil), diff}))
	got := mustPull(t, open(t, images.Config{}), ref)
	if tree(t, got.Layers[0])["a"] != "x" {
		t.Error("another content")
	}
}

func TestFaulty_Platforms(t *testing.T) {
	f := newFaulty(t)
	ours := webImage(t)
	list := func(platforms ...v1.Platform) []byte {
		idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for i, p := range platforms {
			img := ours
			if p.Architecture != platformArch || p.Variant != "" {
				img = mutate.Annotations(ours, map[string]string{"n": fmt.Sprint(i)}).(v1.Image)
			}
			f.add(t, fmt.Sprint("part", i), img)
			idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
		}
		text, err := idx.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	here, s390 := v1.Platform{OS: "linux", Architecture: platformArch}, v1.Platform{OS: "linux", Architecture: "s390x"}
	unknown := v1.Platform{OS: "unknown", Architecture: "unknown"}
	odd := v1.Platform{OS: "linux", Architecture: platformArch, Variant: "v9"}
	s := open(t, images.Config{})

	index := f.addManifest(t, "both", string(types.OCIImageIndex), list(s390, odd, here, unknown))
	got := mustPull(t, s, index)
	if want, _ := ours.Digest(); got.Digest != want.String() {
		t.Errorf("took %s, want %s", got.Digest, want)
	}
	if again, err := s.Get(index); err != nil || again.Digest != got.Digest {
		t.Errorf("by the list's digest: %v, %v", again.Digest, err)
	}
	other := f.addManifest(t, "other", string(types.OCIImageIndex), list(s390, unknown))
	_, err := s.Pull(t.Context(), other)
	wantFailure(t, err, nodes.PullFailed, "not made for linux/"+platformArch+" but for linux/s390x")
}

func TestFaulty_Manifests(t *testing.T) {
	f := newFaulty(t)
	s := open(t, images.Config{Limits: images.Limits{Layers: 2}})
	sum := "sha256:" + strings.Repeat("a", 64)
	for name, c := range map[string]struct{ manifest, words string }{
		"no JSON":        {"{", "its manifest is none"},
		"old":            {`{"schemaVersion":1}`, "older than Docker 1.10"},
		"no image":       {`{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"` + sum + `"}}`, "no container image but application/vnd.cncf.helm"},
		"too many":       {manifestOf(sum, 3, "application/vnd.oci.image.layer.v1.tar", 1), "has 3 layers; 2 is the most"},
		"encrypted":      {manifestOf(sum, 1, "application/vnd.oci.image.layer.v1.tar+encrypted", 1), "of a kind that is not known"},
		"negative":       {manifestOf(sum, 1, "application/vnd.oci.image.layer.v1.tar", -1), "of -1 bytes"},
		"huge":           {manifestOf(sum, 1, "application/vnd.oci.image.layer.v1.tar", 1<<50), "bytes; 34359738368 is the most"},
		"sha512":         {manifestOf("sha512:"+strings.Repeat("a", 128), 1, "application/vnd.oci.image.layer.v1.tar", 1), "names a part"},
		"path in digest": {manifestOf("sha256:../../../../"+strings.Repeat("a", 52), 1, "application/vnd.oci.image.layer.v1.tar", 1), "its manifest is none"},
		"long":           {strings.Repeat(" ", 5<<20) + "{}", "more than 4194304 bytes"},
		"endless lists":  {"", "list of lists"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "endless lists" {
				var at string
				text := []byte(manifestOf(sum, 1, "x", 1))
				for range 4 {
					at = f.addManifest(t, "l", "", text)
					text = []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"` + at[strings.Index(at, "sha256:"):] + `","platform":{"os":"linux","architecture":"` + platformArch + `"}}]}`)
				}
				c.manifest = string(text)
			}
			ref := f.addManifest(t, "t", "application/vnd.oci.image.manifest.v1+json", []byte(c.manifest))
			_, err := s.Pull(t.Context(), ref)
			wantFailure(t, err, nodes.PullFailed, c.words)
		})
	}
}

func manifestOf(digest string, layers int, media string, size int64) string {
	layer := fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q}`, media, size, digest)
	return `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"` + digest + `"},"layers":[` +
		strings.TrimSuffix(strings.Repeat(layer+",", layers), ",") + `]}`
}

func TestFaulty_RegistryThatSendsAnotherManifest(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 1000))
	key := "manifests/" + ref[strings.Index(ref, "sha256:"):]
	f.content[key] = append(f.content[key], ' ')
	_, err := open(t, images.Config{}).Pull(t.Context(), ref)
	wantFailure(t, err, nodes.PullFailed, "the registry sent sha256:")
}

func TestFaulty_TagThatMoved(t *testing.T) {
	f := newFaulty(t)
	s := open(t, images.Config{InUse: func(context.Context) ([]string, error) { return nil, nil }})
	f.add(t, "1", big(t, 1000))
	old := mustPull(t, s, f.ref("1"))
	moved := f.add(t, "1", big(t, 1000))
	if again := mustPull(t, s, f.ref("1")); again.Digest != old.Digest {
		t.Error("a tag that is there was asked for again")
	}
	byDigest := mustPull(t, s, moved)
	if byDigest.Digest == old.Digest {
		t.Error("the digest gave the tag's old image")
	}
	if _, err := s.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if now := mustPull(t, s, f.ref("1")); now.Digest != byDigest.Digest {
		t.Error("cleared, the tag means what the registry says")
	}
}

func TestFaulty_Mirrors(t *testing.T) {
	origin, mirror := newFaulty(t), newFaulty(t)
	img := big(t, 10<<10)
	ref := origin.add(t, "1", img)
	mirror.add(t, "1", img)
	with := func(list ...string) *images.Store {
		return open(t, images.Config{Mirrors: map[string][]string{origin.addr(): list}})
	}
	mustPull(t, with(mirror.addr()), ref)
	if origin.times("blobs/")+len(origin.asked) > 0 || mirror.times("blobs/") != 1 {
		t.Errorf("origin was asked for %v", origin.asked)
	}
	mirror.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		w.Write(make([]byte, len(body)))
		return true
	}
	mustPull(t, with("http://"+mirror.addr()), ref)
	if origin.times("blobs/") != 1 {
		t.Errorf("a mirror that lies: origin was asked for %v", origin.asked)
	}
	mustPull(t, with("127.0.0.1:1", mirror.addr()+"/elsewhere"), ref)
	if origin.times("blobs/") != 2 {
		t.Errorf("mirrors without it: origin was asked for %v", origin.asked)
	}
}
