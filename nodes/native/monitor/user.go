//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// longestTable bounds a passwd or group file: a million users is a mistake.
const longestTable = 8 << 20

// who finds the user in the container's own files.
func who(root, name string) (*user.ExecUser, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", root, err)
	}
	at := tree{fd}
	defer at.close()
	passwd, err := table(at, "/etc/passwd")
	if err != nil {
		return nil, err
	}
	defer passwd.Close()
	group, err := table(at, "/etc/group")
	if err != nil {
		return nil, err
	}
	defer group.Close()
	u, err := user.GetExecUser(name, &user.ExecUser{Home: "/"}, io.LimitReader(passwd, longestTable), io.LimitReader(group, longestTable))
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		err = fmt.Errorf("a line of the container's /etc/passwd or /etc/group is longer than %d bytes", bufio.MaxScanTokenSize)
	case err == nil && len(u.Sgids) > mostGroups:
		err = fmt.Errorf("it is in %d groups of the container's /etc/group, and a process can be in %d", len(u.Sgids), mostGroups)
	}
	if err != nil {
		return nil, &trouble{bundle.TroubleUser, fmt.Errorf("user %q: %w", name, err)}
	}
	return u, nil
}

// mostGroups is the kernel's NGROUPS_MAX.
const mostGroups = 65536

// table opens a file of the container, wherever its links lead to in there. What
// is missing or no file is empty: an image may have anything in its place, such
// as a pipe that nobody writes to.
func table(root tree, name string) (io.ReadCloser, error) {
	fd, err := inside(root, name)
	switch err {
	case nil:
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP:
		return io.NopCloser(eof{}), nil
	default:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer unix.Close(fd)
	var found unix.Stat_t
	if err := unix.Fstat(fd, &found); err != nil || found.Mode&unix.S_IFMT != unix.S_IFREG {
		return io.NopCloser(eof{}), err
	}
	return os.Open("/proc/self/fd/" + strconv.Itoa(fd))
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
