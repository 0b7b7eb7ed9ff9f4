package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
)

const programPackage = "github.com/bayplan/bayplan/testenv/image/program"

// Program is the image whose containers take the steps of
// nodes/agent/runtimetest/steps; without arguments they sleep. It has /tmp, a
// user "app" (1000) and nothing else. Equal sources are equal digests; version
// is in the environment as VERSION, and makes another image.
func Program(t testing.TB, version string) v1.Image {
	t.Helper()
	binary, err := buildOnce()
	if err != nil {
		t.Fatalf("building the test program: %v", err)
	}
	img, err := pack(binary, version)
	if err != nil {
		t.Fatalf("packing the test image: %v", err)
	}
	return img
}

// buildOnce builds the program once for a test process.
var buildOnce = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "bayplan-program")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, programPackage)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build %s: %w\n%s", programPackage, err, out)
	}
	return os.ReadFile(path)
})

func pack(binary []byte, version string) (v1.Image, error) {
	files, err := files(binary)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, withConfig(img, v1.Config{
		Entrypoint: []string{steps.Path}, Cmd: []string{"sleep"},
		Env: []string{"PATH=/", "VERSION=" + version}, WorkingDir: "/",
	}))
}

func withConfig(img v1.Image, c v1.Config) *v1.ConfigFile {
	file, err := img.ConfigFile()
	if err != nil {
		panic("image: an image in memory has a config: " + err.Error())
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", runtime.GOARCH, c
	return file
}

// files is the image's only layer.
func files(binary []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		name string
		mode int64
		data []byte
	}{
		{"tmp/", 0o1777, nil},
		{"etc/", 0o755, nil},
		{"etc/passwd", 0o644, []byte("root:x:0:0::/:\napp:x:1000:1000::/:\n")},
		{"etc/group", 0o644, []byte("root:x:0:\napp:x:1000:\n")},
		{strings.TrimPrefix(steps.Path, "/"), 0o755, binary},
	} {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), Typeflag: tar.TypeReg}
		if f.data == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}
