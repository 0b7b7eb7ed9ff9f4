//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"
)

// tree is a mount that is held by a descriptor: what is done to it is done to it,
// wherever a path may lead.
type tree struct{ fd int }

func (t tree) close() { _ = unix.Close(t.fd) }

// fresh makes a file system that is mounted nowhere yet. Options are "key=value".
func fresh(kind string, attributes int, options ...[2]string) (tree, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return tree{}, fmt.Errorf("%s: %w", kind, err)
	}
	defer unix.Close(fs)
	for _, o := range options {
		if err := unix.FsconfigSetString(fs, o[0], o[1]); err != nil {
			return tree{}, fmt.Errorf("%s: %s: %w", kind, o[0], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return tree{}, fmt.Errorf("%s: %w", kind, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return tree{}, fmt.Errorf("%s: %w", kind, err)
	}
	return tree{fd}, nil
}

// view is a second mount of what a path names, without what is mounted below it.
func view(path string) (tree, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return tree{}, fmt.Errorf("%s: %w", path, err)
	}
	return tree{fd}, nil
}

// put mounts t at what fd names. It can be used as before.
func (t tree) put(fd int) error {
	return unix.MoveMount(t.fd, "", fd, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// at mounts t at a name right in the folder.
func (t tree) at(folder tree, name string) error {
	return unix.MoveMount(t.fd, "", folder.fd, name, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// limit changes what may be done through the mount, which is mounted, and parts it
// from what it is a view of: what the host mounts there later is not seen. The
// kernel has a call for it that needs no path, but not before 5.12.
func (t tree) limit(flags uintptr) error {
	path := "/proc/self/fd/" + strconv.Itoa(t.fd)
	if err := unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""); err != nil {
		return err
	}
	return unix.Mount("", path, "", unix.MS_PRIVATE, "")
}

// place opens a path as the container will see it: its links lead nowhere else. A
// folder that is missing is made.
func place(root tree, path string) (int, error) {
	fd, err := inside(root, path)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	top, err := unix.FcntlInt(uintptr(root.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	held := os.NewFile(uintptr(top), "root")
	defer held.Close()
	dir, err := pathrs.MkdirAllHandle(held, path, 0o755)
	if err != nil {
		return -1, err
	}
	_ = dir.Close()
	return inside(root, path)
}

// inside opens what there is.
func inside(root tree, path string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(root.fd, path, &how)
		if err != unix.EINTR && err != unix.EAGAIN { // the latter is a rename beside us
			return fd, err
		}
	}
}

// within does something in the network of that path; empty is the one we are in. A
// thread that could not come back ends with the process.
func within(network string, do func() error) error {
	if network == "" {
		return do()
	}
	runtime.LockOSThread()
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(own)
	theirs, err := unix.Open(network, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the network namespace %s: %w", network, err)
	}
	defer unix.Close(theirs)
	if err := unix.Setns(theirs, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("the network namespace %s: %w", network, err)
	}
	err = do()
	if back := unix.Setns(own, unix.CLONE_NEWNET); back != nil {
		return fmt.Errorf("leaving the container's network: %w", back)
	}
	runtime.UnlockOSThread()
	return err
}
