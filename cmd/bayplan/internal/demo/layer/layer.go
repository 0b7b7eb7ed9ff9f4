// Package layer makes the one layer of the demo's images: the static web server
// of examples/hello/server at /hello, as a tar.gz. Where the Go toolchain is at
// hand it is built from the source that this binary carries, with no network:
// the server needs the standard library alone.
package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/bayplan/bayplan/examples"
)

// Path is where the server stands in the image.
const Path = "/hello"

// module gives the source a module of its own; the version is the first whose
// http.ServeMux knows the patterns in use.
const module = "module hello\n\ngo 1.22\n"

// flags make a small file that depends on nothing of the machine but the
// folder that it is built in, which is always the same one.
var flags = []string{"build", "-buildvcs=false", "-ldflags=-s -w"}

// errNoToolchain is that there is no go command to build with.
var errNoToolchain = errors.New("no go command in PATH")

// Name identifies the layer by all that it is made from; a file of that name
// can be trusted to hold it. It ends in ".tar.gz".
func Name() string {
	h := sha256.New()
	fmt.Fprintln(h, module, flags, Path)
	h.Write(examples.HelloServer())
	return fmt.Sprintf("hello-linux-%s-%s.tar.gz", runtime.GOARCH, hex.EncodeToString(h.Sum(nil))[:16])
}

// Find is the layer: the one in prebuilt (nil for none), or the one that was
// built before for this user, or one built now.
func Find(ctx context.Context, prebuilt fs.FS) ([]byte, error) {
	if prebuilt != nil {
		if b, err := fs.ReadFile(prebuilt, Name()); err == nil {
			return b, nil
		}
	}
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	b, err := cached(ctx, dir)
	if errors.Is(err, errNoToolchain) {
		return nil, fmt.Errorf("the demo image is not in this binary and cannot be built: %w; "+
			"install Go, or build bayplan with: make build", err)
	}
	return b, err
}

// cacheDir is this user's, for the demo's layers.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("a folder to build the demo image in: %w; set HOME, or build bayplan with: make build", err)
	}
	dir := filepath.Join(base, "bayplan", "demo")
	return dir, os.MkdirAll(dir, 0o755)
}

// cached is the layer out of dir, built into it first if it is not there yet.
// Callers that meet in one dir end with the same file.
func cached(ctx context.Context, dir string) ([]byte, error) {
	path := filepath.Join(dir, Name())
	b, err := os.ReadFile(path)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return b, err
	}
	if b, err = build(ctx, dir); err != nil {
		return nil, err
	}
	return b, writeFile(path, b, 0o644)
}

func build(ctx context.Context, dir string) ([]byte, error) {
	src := filepath.Join(dir, "src-"+Name())
	if err := os.MkdirAll(src, 0o755); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(src, "go.mod"), []byte(module), 0o644); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(src, "main.go"), examples.HelloServer(), 0o644); err != nil {
		return nil, err
	}
	binary, err := compile(ctx, src)
	if err != nil {
		return nil, err
	}
	return pack(binary)
}

// compile builds the package in src and returns the file.
func compile(ctx context.Context, src string) ([]byte, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return nil, errNoToolchain
	}
	out, err := os.MkdirTemp("", "bayplan-hello-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	binary := filepath.Join(out, "hello")
	cmd := exec.CommandContext(ctx, tool, append(flags, "-o", binary, ".")...)
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH,
		"GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "GOPROXY=off", "GOTOOLCHAIN=local")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the demo's web server in %s: %w\n%s", src, err, bytes.TrimSpace(said))
	}
	return os.ReadFile(binary)
}

// pack writes the binary into a tar.gz that is the same, byte for byte, for the
// same binary: no times, no names, one owner.
func pack(binary []byte) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := tar.NewWriter(z)
	header := &tar.Header{Name: Path[1:], Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(binary)), Format: tar.FormatUSTAR}
	if err := t.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := t.Write(binary); err != nil {
		return nil, err
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// writeFile lets nobody see half a file.
func writeFile(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
