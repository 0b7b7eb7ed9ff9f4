//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// holdDeclared binds what is declared by an operator to the bundle's folder and
// has the container take it from there. Its path may lead through folders that
// another container writes to: were it mounted by the path, a link put there in
// time would lead anywhere.
func holdDeclared(folder string, cfg *bundle.Config) error {
	for i := range cfg.Mounts {
		m := &cfg.Mounts[i]
		if !m.Declared {
			continue
		}
		at := filepath.Join(folder, declaredDir, strconv.Itoa(i))
		if err := os.MkdirAll(at, 0o700); err != nil {
			return err
		}
		if err := bind(m.Source, at); err != nil {
			return &trouble{bundle.TroubleNode, fmt.Errorf("the host volume for %s: %s: %w", m.Target, m.Source, err)}
		}
		m.Source = at
	}
	return nil
}

// bind mounts a folder without what is mounted below it.
func bind(source, at string) error {
	fd, err := openFolder(source)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), at, "", unix.MS_BIND, "")
}

var errLink = errors.New("it is no folder, or a link leads to it")

// openFolder opens an absolute path step by step, each of which is a folder and
// no link.
func openFolder(path string) (int, error) {
	const step = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Open("/", step, 0)
	for name := range strings.SplitSeq(strings.Trim(filepath.Clean(path), "/"), "/") {
		if err != nil || name == "" {
			break
		}
		next, nextErr := unix.Openat(fd, name, step, 0)
		_ = unix.Close(fd)
		fd, err = next, nextErr
	}
	if err == unix.ENOTDIR || err == unix.ELOOP {
		err = errLink
	}
	return fd, err
}
