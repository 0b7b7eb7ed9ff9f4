package images_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/images"
)

// file is an entry of a layer under test; Mode 0 is 0644.
func file(name, content string) entry {
	return entry{Header: tar.Header{Name: name, Mode: 0o644}, content: content}
}

func folder(name string) entry {
	return entry{Header: tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}}
}

func symlink(name, to string) entry {
	return entry{Header: tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777}}
}

func hardlink(name, to string) entry {
	return entry{Header: tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}}
}

type entry struct {
	tar.Header
	content string
}

// archived is the layer's stream, not compressed.
func archived(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := e.Header
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		h.Size = int64(len(e.content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// layered is an image of such layers, compressed by gzip.
func layered(t testing.TB, config v1.Config, streams ...[]byte) v1.Image {
	t.Helper()
	var layers []v1.Layer
	for _, s := range streams {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(s)), nil })
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, layer)
	}
	return imageOf(t, config, layers...)
}

// open is a store under the test's own directory, closed with it.
func open(t testing.TB, cfg images.Config) *images.Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Limits.Reserve == 0 {
		cfg.Limits.Reserve = -1
	}
	cfg.Platform = "linux/" + platformArch
	s, err := images.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	images.Hasten(s)
	t.Cleanup(func() { s.Close() })
	return s
}

// mustPull is an image that is there afterwards.
func mustPull(t testing.TB, s *images.Store, ref string) images.Image {
	t.Helper()
	image, err := s.Pull(t.Context(), ref)
	if err != nil {
		t.Fatalf("pulling %s: %v", ref, err)
	}
	return image
}

// wantFailure checks an error's code and its words.
func wantFailure(t testing.TB, err error, code nodes.FailureCode, words ...string) {
	t.Helper()
	f, ok := errors.AsType[*agent.Error](err)
	if !ok || f.Failure.Code != code {
		t.Fatalf("want %s, got %v (%+v)", code, err, f)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("want %q in %q", w, err)
		}
	}
}

// tree are the files below dir with their contents.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel := strings.TrimPrefix(path, dir+"/")
		switch d.Type() {
		case 0:
			text, err := os.ReadFile(path)
			found[rel] = string(text)
			return err
		case os.ModeSymlink:
			to, err := os.Readlink(path)
			found[rel] = "→ " + to
			return err
		default:
			found[rel] = d.Type().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantNothingLeft checks that a store holds no image, no layer, and nothing
// half-made.
func wantNothingLeft(t testing.TB, dir string, but ...string) {
	t.Helper()
	for _, sub := range []string{"images", "layers", "partial", "tmp"} {
		left, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range left {
			if len(but) == 0 || but[0] != sub {
				t.Errorf("left: %s/%s", sub, e.Name())
			}
		}
	}
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("whiteouts and owners need root")
	}
}

// raw is a layer that need be no archive: its bytes as they travel.
type raw struct {
	bytes []byte
	diff  v1.Hash
}

func (r raw) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(r.bytes))
	return h, err
}
func (r raw) DiffID() (v1.Hash, error)             { return r.diff, nil }
func (r raw) Compressed() (io.ReadCloser, error)   { return io.NopCloser(bytes.NewReader(r.bytes)), nil }
func (r raw) Uncompressed() (io.ReadCloser, error) { return r.Compressed() }
func (r raw) Size() (int64, error)                 { return int64(len(r.bytes)), nil }
func (r raw) MediaType() (types.MediaType, error)  { return types.OCILayer, nil }

// packedImage is an image of one layer, whatever its bytes are. Its diffID is
// right where the bytes are plain or gzip.
func packedImage(t testing.TB, b []byte) v1.Image {
	t.Helper()
	plain := b
	if z, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
		plain, _ = io.ReadAll(z)
	}
	diff, _, err := v1.SHA256(bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	return imageOf(t, v1.Config{}, raw{b, diff})
}

// imageOf is an image of these layers for this machine.
func imageOf(t testing.TB, config v1.Config, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	whole = whole.DeepCopy()
	whole.OS, whole.Architecture, whole.Config = "linux", platformArch, config
	if img, err = mutate.ConfigFile(img, whole); err != nil {
		t.Fatal(err)
	}
	return img
}

// spoil changes every interrupted download.
func spoil(t testing.TB, dir string, change func([]byte) []byte) {
	t.Helper()
	parts, _ := filepath.Glob(filepath.Join(dir, "partial", "*"))
	if len(parts) == 0 {
		t.Fatal("nothing was interrupted")
	}
	for _, p := range parts {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, change(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
