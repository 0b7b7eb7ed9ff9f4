package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// fileIn unpacks the one file of a layer.
func fileIn(t *testing.T, layer []byte) (*tar.Header, []byte) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	header, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("more than one file: %v", err)
	}
	return header, b
}

func TestFind_BuildsAStaticServerOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the Go toolchain")
	}
	dir := t.TempDir()
	first, err := cached(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	header, binary := fileIn(t, first)
	if header.Name != "hello" || header.Mode != 0o755 || !header.ModTime.IsZero() && header.ModTime.Unix() != 0 {
		t.Errorf("header %+v", header)
	}
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	if libs, _ := f.ImportedLibraries(); len(libs) > 0 {
		t.Errorf("needs %v", libs)
	}
	t.Setenv("PATH", "")
	again, err := cached(t.Context(), dir)
	if err != nil || !bytes.Equal(again, first) {
		t.Errorf("the second time: %v", err)
	}
}

func TestFind_PrebuiltIsTaken(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	b, err := Find(t.Context(), fstest.MapFS{Name(): {Data: []byte("layer")}})
	if err != nil || string(b) != "layer" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestFind_NoToolchainSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Find(t.Context(), fstest.MapFS{"hello-linux-other.tar.gz": {}})
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
}

func TestFind_NoHomeSaysWhatToDo(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	_, err := Find(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "set HOME") {
		t.Errorf("got %v", err)
	}
}

func TestPack_IsTheSameEachTime(t *testing.T) {
	a, err := pack([]byte("binary"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := pack([]byte("binary"))
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two packs differ: %v", err)
	}
}

func TestWriteFile_LeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	if err := writeFile(filepath.Join(dir, "a"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
}
