// Package raze removes trees that somebody else made, who may have meant harm: a
// container can nest folders until the disk has no more inodes.
//
// However deep and wide a tree is, its removal takes some tens of descriptors and
// a bounded memory: what lies too deep to be reached is first moved up, to the top
// of the same tree. It follows no link, and enters nothing that is mounted in the
// tree. Whoever made the tree is to be dead by then.
package raze

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// reach is how many folders are open at once, one in the other. Trees of honest
// programs are seldom deeper; four removals at once stay far below the 1024
// descriptors that a process has at least.
const reach = 24

// batch is how many names of a folder are known at once.
const batch = 256

// All removes path and all below it; that nothing is there is no error. What
// cannot be removed (a file that is immutable, a mount) stays with the folders
// that it is in, and all else goes. The error has the first cause and how many
// there are: its length is bounded.
func All(path string) error {
	path = filepath.Clean(path)
	name := filepath.Base(path)
	if name == "." || name == ".." || name == "/" {
		return fmt.Errorf("removing %s: %w", path, unix.EINVAL)
	}
	parent, err := os.OpenFile(filepath.Dir(path), unix.O_DIRECTORY, 0) // anything else could block
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	r := razing{name: rand.Text()}
	if err := r.whole(parent, name); err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	return nil
}

// razing is the removal of one tree.
type razing struct {
	top *os.File
	// name begins the names of what was moved up: nobody can have foreseen it.
	name string
	// moved and removed count since the beginning, stuck and first are of one pass.
	moved, removed, stuck int
	first                 error
}

// whole removes a tree. A pass moves up what is too deep for it, and cannot when
// the disk is full: so there is another as long as the last one got anywhere.
func (r *razing) whole(parent *os.File, name string) error {
	for {
		before := r.moved + r.removed
		r.stuck, r.first = 0, nil
		if r.entry(parent, name, 0) {
			return nil
		}
		if r.moved+r.removed == before {
			return r.told()
		}
	}
}

// told is the error of a pass.
func (r *razing) told() error {
	if r.stuck > 1 {
		return fmt.Errorf("%w (and %d more)", r.first, r.stuck-1)
	}
	return r.first
}

// entry removes what has that name in dir, which is that deep; false is that it
// is still there.
func (r *razing) entry(dir *os.File, name string, depth int) bool {
	err := unlink(dir, name)
	if err == nil {
		r.removed++
	}
	if err == nil || err == unix.ENOENT {
		return true
	}
	if err != unix.ENOTEMPTY && err != unix.EEXIST && err != unix.EPERM && err != unix.EACCES {
		return r.stays(name, err)
	}
	if depth == reach {
		return r.moveUp(dir, name, err)
	}
	return r.folder(dir, name, depth, err)
}

// folder removes a folder with all that is in it. What is none stays for the
// cause that it has.
func (r *razing) folder(dir *os.File, name string, depth int, cause error) bool {
	f, err := enter(dir, name)
	switch err {
	case nil:
	case unix.ENOENT:
		return true
	case unix.ENOTDIR, unix.ELOOP:
		return r.stays(name, cause)
	default:
		return r.stays(name, err)
	}
	if depth == 0 {
		r.top = f
	}
	emptied := r.content(f, depth+1)
	f.Close()
	if !emptied {
		return false // and its entries have told why
	}
	if err := unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return r.stays(name, err)
	}
	r.removed++
	return true
}

// content removes all in a folder; false is that something is still in it.
func (r *razing) content(f *os.File, depth int) bool {
	emptied := true
	for {
		names, err := f.Readdirnames(batch)
		for _, name := range names {
			emptied = r.entry(f, name, depth) && emptied
		}
		if err == io.EOF {
			return emptied
		}
		if err != nil {
			return r.stays(f.Name(), err)
		}
	}
}

// moveUp makes a folder one of the top's. Whatever has the new name is of the
// tree, too. The top may have been read already: then another pass finds it.
func (r *razing) moveUp(dir *os.File, name string, cause error) bool {
	if cause != unix.ENOTEMPTY && cause != unix.EEXIST && !isFolder(dir, name) {
		return r.stays(name, cause)
	}
	up := r.name + strconv.Itoa(r.moved)
	if err := unix.Renameat(int(dir.Fd()), name, int(r.top.Fd()), up); err != nil {
		return r.stays(name, err)
	}
	r.moved++
	return true
}

func (r *razing) stays(name string, err error) bool {
	if r.stuck++; r.first == nil {
		r.first = fmt.Errorf("%s: %w", short(name), err)
	}
	return false
}

// shown is how much of a name is told, in bytes: others chose it.
const shown = 64

func short(name string) string {
	if len(name) > shown {
		return strconv.Quote(name[:shown]) + "…"
	}
	return strconv.Quote(name)
}

// unlink removes a file or an empty folder.
func unlink(dir *os.File, name string) error {
	err := unix.Unlinkat(int(dir.Fd()), name, 0)
	if err == unix.EISDIR {
		err = unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR)
	}
	return err
}

func isFolder(dir *os.File, name string) bool {
	var stat unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR
}

// enter opens a folder that is no link and no mount.
func enter(dir *os.File, name string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
	for {
		fd, err := unix.Openat2(int(dir.Fd()), name, &how)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}
