//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// longestTable bounds a passwd or group file: a million users is a mistake.
const longestTable = 8 << 20

// who finds the user in the container's own files.
func who(root, name string) (*user.ExecUser, error) {
	passwd, err := table(root, "etc/passwd")
	if err != nil {
		return nil, err
	}
	defer passwd.Close()
	group, err := table(root, "etc/group")
	if err != nil {
		return nil, err
	}
	defer group.Close()
	u, err := user.GetExecUser(name, &user.ExecUser{Home: "/"}, io.LimitReader(passwd, longestTable), io.LimitReader(group, longestTable))
	if err != nil {
		return nil, &trouble{bundle.TroubleUser, fmt.Errorf("user %q: %w", name, err)}
	}
	return u, nil
}

// table opens a file of the container, wherever its links lead to in there. What
// is missing or no file is empty: an image may have anything in its place, such
// as a pipe that nobody writes to.
func table(root, name string) (io.ReadCloser, error) {
	at, err := pathrs.OpenInRoot(root, name)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			return io.NopCloser(eof{}), nil
		}
		return nil, fmt.Errorf("%s: %w", filepath.Join("/", name), err)
	}
	defer at.Close()
	if info, err := at.Stat(); err != nil || !info.Mode().IsRegular() {
		return io.NopCloser(eof{}), err
	}
	return pathrs.Reopen(at, unix.O_RDONLY|unix.O_CLOEXEC)
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
