package images_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/images"

	"github.com/bayplan/bayplan/schema"
)

func TestFaulty_LayerThatUnpacksToSomethingElse(t *testing.T) {
	f := newFaulty(t)
	stream := archived(t, file("a", strings.Repeat("x", 2000)))
	other, _, _ := v1.SHA256(strings.NewReader("other"))
	ref, dir := f.add(t, "1", imageOf(t, v1.Config{}, raw{stream, other})), t.TempDir()
	_, err := open(t, images.Config{Dir: dir}).Pull(t.Context(), ref)
	wantFailure(t, err, nodes.PullFailed, "it unpacks to sha256:", "config says "+other.String())
	wantNothingLeft(t, dir)
}

func TestFaulty_GoodLayersOfABadImageAreNotKept(t *testing.T) {
	for name, bad := range map[string][]byte{
		"hostile": archived(t, file("../escape", strings.Repeat("x", 2000))),
		"noise":   []byte(strings.Repeat("x", 2000)),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t)
			diff, _, _ := v1.SHA256(bytes.NewReader(bad))
			good := archived(t, file("good", "x"))
			other, _, _ := v1.SHA256(bytes.NewReader(good))
			ref, dir := f.add(t, "1", imageOf(t, v1.Config{}, raw{packed(good), other}, raw{bad, diff})), t.TempDir()
			f.blob = func(http.ResponseWriter, *http.Request, []byte) bool { // the bad one comes last
				waitFor(t, func() bool { there, _ := filepath.Glob(dir + "/layers/*"); return len(there) == 1 })
				return false
			}
			_, err := open(t, images.Config{Dir: dir}).Pull(t.Context(), ref)
			wantFailure(t, err, nodes.PullFailed, "refused")
			wantNothingLeft(t, dir)
		})
	}
}

func TestFaulty_Zstd(t *testing.T) {
	f := newFaulty(t)
	stream := archived(t, file("a", strings.Repeat("x", 2000)))
	diff, _, _ := v1.SHA256(bytes.NewReader(stream))
	add := func(tag string, o ...zstd.EOption) string {
		var out bytes.Buffer
		z, err := zstd.NewWriter(&out, o...)
		if err != nil {
			t.Fatal(err)
		}
		z.Write(stream)
		z.Flush() // so that the writer cannot shrink the window to the content
		z.Close()
		return f.add(t, tag, imageOf(t, v1.Config{}, raw{out.Bytes(), diff}))
	}
	dir := t.TempDir()
	s := open(t, images.Config{Dir: dir})
	_, err := s.Pull(t.Context(), add("greedy", zstd.WithWindowSize(64<<20)))
	wantFailure(t, err, nodes.PullFailed, "window size exceeded")
	wantNothingLeft(t, dir)
	got := mustPull(t, s, add("best", zstd.WithEncoderLevel(zstd.SpeedBestCompression)))
	if len(tree(t, got.Layers[0])["a"]) != 2000 {
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

// Mirrors that become known while the node runs count from the next pull on.
func TestSetRegistries_CountsForTheNextPull(t *testing.T) {
	origin, mirror := newFaulty(t), newFaulty(t)
	img := big(t, 10<<10)
	ref := origin.add(t, "1", img)
	mirror.add(t, "1", img)
	s := open(t, images.Config{})
	s.SetRegistries([]schema.Registry{{Name: origin.addr(), Mirrors: []string{mirror.addr()}}})
	mustPull(t, s, ref)
	if len(origin.asked) > 0 {
		t.Errorf("origin was asked for %v", origin.asked)
	}
	if n, bytes := s.Usage(); n != 1 || bytes <= 0 {
		t.Errorf("%d images of %d bytes", n, bytes)
	}
}

func TestFaulty_Mirrors(t *testing.T) {
	origin, mirror := newFaulty(t), newFaulty(t)
	img := big(t, 10<<10)
	ref := origin.add(t, "1", img)
	mirror.add(t, "1", img)
	with := func(list ...string) *images.Store {
		return open(t, images.Config{Stall: 500 * time.Millisecond, Mirrors: map[string][]string{origin.addr(): list}})
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
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	mustPull(t, with("127.0.0.1:1", silent.Addr().String(), mirror.addr()+"/elsewhere"), ref)
	if origin.times("blobs/") != 2 {
		t.Errorf("mirrors without it: origin was asked for %v", origin.asked)
	}
}
