package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// files is the fs.FS over one tree. Directories are decoded once; contents are
// read from the mirror each time.
type files struct {
	m     *mirror
	root  plumbing.Hash
	when  time.Time
	limit int64

	mu   sync.Mutex
	dirs map[plumbing.Hash][]entry
}

var (
	_ fs.ReadDirFS  = (*files)(nil)
	_ fs.ReadFileFS = (*files)(nil)
	_ fs.StatFS     = (*files)(nil)
)

func newFiles(m *mirror, root plumbing.Hash, when time.Time, limit int64) *files {
	return &files{m: m, root: root, when: when, limit: limit, dirs: map[plumbing.Hash][]entry{}}
}

// Open opens a file or directory.
func (f *files) Open(name string) (fs.File, error) {
	e, err := f.lookup("open", name)
	if err != nil {
		return nil, err
	}
	info := f.info(e)
	if e.isDir() {
		list, err := f.ReadDir(name)
		return &openDir{info: info, list: list}, err
	}
	data, err := f.content(name, e)
	if err != nil {
		return nil, err
	}
	return &openFile{Reader: bytes.NewReader(data), info: info}, nil
}

// ReadFile is the content of a file.
func (f *files) ReadFile(name string) ([]byte, error) {
	e, err := f.lookup("read", name)
	if err != nil {
		return nil, err
	}
	if e.isDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a directory")}
	}
	return f.content(name, e)
}

// ReadDir lists a directory, sorted by name.
func (f *files) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := f.lookup("readdir", name)
	if err != nil {
		return nil, err
	}
	if !e.isDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	entries, err := f.dir(e.hash)
	if err != nil {
		return nil, f.damage("readdir", name, err)
	}
	list := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		list[i] = fs.FileInfoToDirEntry(f.info(e))
	}
	return list, nil
}

// Stat describes a file or directory without reading its content.
func (f *files) Stat(name string) (fs.FileInfo, error) {
	e, err := f.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return f.info(e), nil
}

func (f *files) content(name string, e entry) ([]byte, error) {
	data, err := f.m.read(e.hash, plumbing.BlobObject, f.limit)
	if err != nil {
		return nil, f.damage("read", name, err)
	}
	return data, nil
}

// damage remembers that the mirror needs to be built anew.
func (f *files) damage(op, name string, err error) error {
	if errors.Is(err, errDamaged) {
		f.m.report()
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// lookup walks from the root to name.
func (f *files) lookup(op, name string) (entry, error) {
	if !fs.ValidPath(name) {
		return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	at := entry{name: ".", hash: f.root, mode: filemode.Dir}
	if name == "." {
		return at, nil
	}
	if strings.Count(name, "/") >= maxDepth {
		return entry{}, &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("more than %d directories deep", maxDepth)}
	}
	for part := range strings.SplitSeq(name, "/") {
		next, err := f.step(at, part)
		if err != nil {
			return entry{}, f.damage(op, name, err)
		}
		at = next
	}
	return at, nil
}

func (f *files) step(at entry, name string) (entry, error) {
	if !at.isDir() {
		return entry{}, fs.ErrNotExist
	}
	entries, err := f.dir(at.hash)
	if err != nil {
		return entry{}, err
	}
	e, ok := find(entries, name)
	if !ok {
		return entry{}, fs.ErrNotExist
	}
	return e, nil
}

// dir is a decoded directory, from memory where it was read before.
func (f *files) dir(h plumbing.Hash) ([]entry, error) {
	f.mu.Lock()
	entries, ok := f.dirs[h]
	f.mu.Unlock()
	if ok {
		return entries, nil
	}
	entries, err := f.m.tree(h)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.dirs[h] = entries
	f.mu.Unlock()
	return entries, nil
}

func (f *files) info(e entry) fs.FileInfo { return info{e, f} }

// info describes an entry; every file is as old as its commit.
type info struct {
	entry
	f *files
}

func (i info) Name() string       { return path.Base(i.name) }
func (i info) ModTime() time.Time { return i.f.when }
func (i info) IsDir() bool        { return i.isDir() }
func (i info) Sys() any           { return nil }

// ObjectID is the git hash of the content, equal for equal content.
func (i info) ObjectID() string { return i.hash.String() }

func (i info) Mode() fs.FileMode {
	switch i.mode {
	case filemode.Dir:
		return fs.ModeDir | 0o555
	case filemode.Executable:
		return 0o555
	}
	return 0o444
}

// Size is in bytes; a content whose length cannot be read counts as empty, and
// reading it tells why.
func (i info) Size() int64 {
	if i.isDir() {
		return 0
	}
	n, err := i.f.m.size(i.hash)
	if err != nil {
		i.f.m.report()
		return 0
	}
	return n
}

// openFile is a file whose content is in memory.
type openFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }

// openDir is a directory that is being listed.
type openDir struct {
	info fs.FileInfo
	list []fs.DirEntry
}

func (o *openDir) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openDir) Close() error               { return nil }

func (o *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.info.Name(), Err: errors.New("is a directory")}
}

func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(o.list) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(o.list) {
		n = len(o.list)
	}
	out := o.list[:n:n]
	o.list = o.list[n:]
	return out, nil
}
