// Package monitor finds the program that stands by each container of the
// built-in runtime. It is one of its own, since it needs cgo and there are many
// of it, each of which should be small; and still one binary is all that a node
// needs. In this order it is
//
//   - the one that `make build` put into this binary: static, a few megabytes;
//   - bayplan-monitor beside this binary, for packages that rather ship two files;
//   - this binary itself, where a plain `go build` linked it with cgo. That costs
//     each container some 20 MB and 10 ms more, and nothing else.
package monitor

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

//go:embed all:prebuilt
var prebuilt embed.FS

// Name is what the program is called where it stands beside this one.
const Name = "bayplan-monitor"

// ErrNone is that this build has no monitor.
var ErrNone = errors.New("this build has no monitor for the built-in runtime")

// Packed is the name of the compressed program for this machine.
func Packed() string {
	return fmt.Sprintf("%s-linux-%s-v%d.gz", Name, runtime.GOARCH, bundle.Version)
}

// Find returns the program's content. Self says that this very binary is the
// monitor, too: whether it was linked so.
func Find(self bool) (io.ReadCloser, error) {
	if b, err := prebuilt.ReadFile("prebuilt/" + Packed()); err == nil {
		return gzip.NewReader(bytes.NewReader(b))
	}
	me, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if me, err = filepath.EvalSymlinks(me); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(filepath.Dir(me), Name))
	switch {
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return f, err
	case self:
		return os.Open("/proc/self/exe")
	}
	return nil, ErrNone
}
