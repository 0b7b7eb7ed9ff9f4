package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entry is one of an archive; the zero Type is a file.
type entry struct {
	Name, Body, Link string
	Type             byte
	Mode             int64
}

func makeTar(t testing.TB, all ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range all {
		h := &tar.Header{Name: e.Name, Linkname: e.Link, Typeflag: e.Type, Mode: e.Mode, Size: int64(len(e.Body)), ModTime: time.Unix(1_700_000_000, 0), Uid: 1234, Gid: 1234, Format: tar.FormatPAX}
		if e.Type == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.Body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeZip(t testing.TB, all ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range all {
		h := &zip.FileHeader{Name: e.Name, Method: zip.Deflate, Modified: time.Unix(1_700_000_000, 0)}
		mode, body := fs.FileMode(e.Mode), e.Body
		switch e.Type {
		case tar.TypeSymlink:
			mode, body = fs.ModeSymlink|0o777, e.Link
		case tar.TypeChar:
			mode = fs.ModeDevice | fs.ModeCharDevice | 0o666
		}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeGzip(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeZstd(t testing.TB, plain []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(plain, nil)
}

// site is a store and a server that it fetches from.
type site struct {
	testing.TB
	*Store
	srv *httptest.Server
	// serve answers each request; asked are the Range headers of all so far.
	serve http.HandlerFunc
	mu    sync.Mutex
	asked []string
}

func newSite(t testing.TB, change ...func(*Config)) *site {
	t.Helper()
	s := &site{TB: t}
	s.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Header.Get("Range"))
		s.mu.Unlock()
		s.serve(w, r)
	}))
	t.Cleanup(s.srv.Close)
	cfg := Config{Dir: filepath.Join(t.TempDir(), "store"), Limits: Limits{Reserve: -1}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, c := range change {
		c(&cfg)
	}
	s.Store = open(t, cfg)
	return s
}

func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.pause = time.Millisecond
	t.Cleanup(func() { s.Close() })
	return s
}

// offers serves content from its first byte or from where it is asked to.
func (s *site) offers(content []byte) schema.Artifact {
	s.serve = func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
	return s.artifact(content)
}

func (s *site) artifact(content []byte) schema.Artifact {
	return schema.Artifact{URL: s.srv.URL + "/shop/app.jar?v=1", SHA256: fmt.Sprintf("%x", sha256.Sum256(content)), Path: "/srv/app"}
}

// tree is where an artifact's files are.
func (s *site) tree(a schema.Artifact) string {
	s.Helper()
	tree, release, err := s.Use(a)
	if err != nil {
		s.Fatal(err)
	}
	release()
	return tree.Layer
}

// list is a layer as a text: path, mode, and what it holds or leads to.
func list(t testing.TB, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		text := info.Mode().String() + " " + rel
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(b)
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + to
		}
		all = append(all, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Slice(all, func(i, j int) bool { return strings.SplitN(all[i], " ", 3)[1] < strings.SplitN(all[j], " ", 3)[1] })
	return strings.Join(all, "\n") + "\n"
}

// wantFailure is an error that a person can act on.
func (s *site) wantFailure(err error, code nodes.FailureCode, words ...string) {
	s.Helper()
	e, ok := errors.AsType[*agent.Error](err)
	if !ok {
		s.Fatalf("got %v, want a failure %s", err, code)
	}
	for _, w := range append(words, s.srv.URL) {
		if !strings.Contains(e.Failure.Text, w) {
			s.Errorf("%q does not say %q", e.Failure.Text, w)
		}
	}
	if e.Failure.Code != code {
		s.Errorf("got %s, want %s: %s", e.Failure.Code, code, e.Failure.Text)
	}
}

// wantNothing is a store in which nothing was left.
func (s *site) wantNothing() {
	s.Helper()
	for _, sub := range []string{"trees", "tmp"} {
		left, err := os.ReadDir(s.path(sub))
		if err != nil || len(left) > 0 {
			s.Errorf("left in %s: %v, %v", sub, left, err)
		}
	}
}

// requests are the ranges that were asked for so far.
func (s *site) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *site) count() int { return len(s.requests()) }
