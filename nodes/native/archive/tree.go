package archive

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// tree is a folder that an archive is unpacked into. No name and no link leads out
// of it: they are refused as they are read, and the os.Root below would not follow
// them either.
type tree struct {
	ctx    context.Context
	root   *os.Root
	limits Limits
	// most is how many bytes may come out.
	most int64
	room func(int64) error

	entries int
	bytes   int64
	checked int64
	dirs    map[string]bool
	links   []string
	buffer  []byte
}

func newTree(ctx context.Context, root *os.Root, limits Limits, packed int64, room func(int64) error) *tree {
	return &tree{
		ctx: ctx, root: root, limits: limits, most: limits.most(packed), room: room,
		dirs: map[string]bool{".": true}, buffer: make([]byte, 128<<10),
	}
}

const longestName = 4096

// clean is the name as a path below the root, "." for the root itself.
func (t *tree) clean(name string) (string, error) {
	clean := path.Clean(name)
	switch {
	case name == "" || len(name) > longestName || !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return "", wrong("it has an entry with the name %.80q", name)
	case path.IsAbs(name):
		return "", wrong("its entry %q begins at the machine's root", name)
	case !inside(name):
		return "", wrong("its entry %q leads out of its folder", name)
	case strings.Count(clean, "/") >= t.limits.Depth:
		return "", wrong("its entry %.80q… is more than %d folders deep", clean, t.limits.Depth)
	}
	return clean, nil
}

// inside is whether no part of a name leads up.
func inside(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return false
		}
	}
	return true
}

// count is one more entry.
func (t *tree) count() error {
	if t.entries++; t.entries > t.limits.Entries {
		return wrong("it has more than %d entries", t.limits.Entries)
	}
	return context.Cause(t.ctx)
}

// dir makes a folder with those above it. What is there already must be a folder
// that this tree made: nothing goes through a link.
func (t *tree) dir(name string) error {
	if t.dirs[name] {
		return nil
	}
	if err := t.dir(path.Dir(name)); err != nil {
		return err
	}
	if err := t.count(); err != nil {
		return err
	}
	err := t.root.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return wrong("its entry %q is a folder and something else", name)
	}
	if err == nil {
		err = t.root.Chmod(name, 0o755) // whatever the umask says
	}
	t.dirs[name] = true
	return t.made(name, err)
}

// made tells trouble with a name from trouble with the disk.
func (t *tree) made(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return wrong("it has the entry %q twice", name)
	case errors.Is(err, errNameTooLong), errors.Is(err, errInvalid):
		return wrong("its entry %.80q: %v", name, err)
	}
	return local(err)
}

// file writes a file that everybody may read, and run if somebody may: whoever
// packed it is nobody here.
func (t *tree) file(name string, mode fs.FileMode, at time.Time, from io.Reader) error {
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	if err := t.ready(name); err != nil {
		return err
	}
	f, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return t.made(name, err)
	}
	defer f.Close()
	if err := f.Chmod(perm); err != nil {
		return local(err)
	}
	if _, err := io.CopyBuffer(out{t, f}, from, t.buffer); err != nil {
		return blame(name, err)
	}
	if err := f.Close(); err != nil {
		return local(err)
	}
	if at.Unix() <= 0 {
		return nil
	}
	return local(t.root.Chtimes(name, at, at))
}

// blame says that what cannot be read is the archive's fault.
func blame(name string, err error) error {
	_, isWrong := errors.AsType[*wrongError](err)
	_, isLocal := errors.AsType[*localError](err)
	if isWrong || isLocal || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errDeadline) {
		return err
	}
	return wrong("its entry %q: %v", name, err)
}

// ready makes what an entry lies in, and counts it.
func (t *tree) ready(name string) error {
	if name == "." {
		return wrong("its entry %q is no folder", name)
	}
	if err := t.dir(path.Dir(name)); err != nil {
		return err
	}
	return t.count()
}

// symlink may lead to what is not there, but not out.
func (t *tree) symlink(name, to string) error {
	at := path.Join(path.Dir(name), to)
	if to == "" || len(to) > longestName || strings.ContainsRune(to, 0) || path.IsAbs(to) || at == ".." || strings.HasPrefix(at, "../") {
		return wrong("its link %q leads out of its folder, to %.80q", name, to)
	}
	if err := t.ready(name); err != nil {
		return err
	}
	t.links = append(t.links, name)
	return t.made(name, t.root.Symlink(to, name))
}

// hardlink is to a file that came before.
func (t *tree) hardlink(name, to string) error {
	to, err := t.clean(to)
	if err != nil {
		return err
	}
	if err := t.ready(name); err != nil {
		return err
	}
	if info, err := t.root.Lstat(to); err != nil || !info.Mode().IsRegular() {
		return wrong("its entry %q is a link to %q, which is no file of it", name, to)
	}
	return t.made(name, t.root.Link(to, name))
}

// finish follows each link once all is there: a chain of them may lead where none
// seems to.
func (t *tree) finish() error {
	for _, name := range t.links {
		if _, err := t.root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return wrong("its link %q leads out of its folder or nowhere: %v", name, errors.Unwrap(err))
		}
	}
	return nil
}

// out is a file that counts into its tree.
type out struct {
	t *tree
	f *os.File
}

func (o out) Write(p []byte) (int, error) {
	t := o.t
	if t.bytes += int64(len(p)); t.bytes > t.most {
		return 0, wrong("it unpacks to more than %d MiB", t.most>>20)
	}
	if t.bytes-t.checked >= roomEvery {
		t.checked = t.bytes
		if err := t.room(0); err != nil {
			return 0, err
		}
	}
	if err := context.Cause(t.ctx); err != nil {
		return 0, err
	}
	n, err := o.f.Write(p)
	return n, local(err)
}
