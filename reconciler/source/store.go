package source

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// errDamaged is an object that is missing where it must be, or whose content
// is not what its name says.
var errDamaged = errors.New("damaged or missing object")

// errTooLarge is an object above the limit of its reader.
var errTooLarge = errors.New("larger than the limit")

// tooLargeError is errTooLarge with its numbers, in bytes.
type tooLargeError struct{ size, limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%d bytes: %v %d", e.size, errTooLarge, e.limit)
}

// Is makes it errTooLarge.
func (e *tooLargeError) Is(target error) bool { return target == errTooLarge }

// TooLarge is the limit. It tells a file that only has to become smaller from
// one that cannot be read.
func (e *tooLargeError) TooLarge() (limit int64) { return e.limit }

const (
	// cacheSize holds the trees and delta bases of some thousand files.
	cacheSize = 16 << 20
	// streamAbove keeps larger objects out of memory until they are wanted.
	streamAbove = 4 << 20
	// maxMeta is more than any sane commit or directory needs: 200,000 entries.
	maxMeta = 16 << 20
)

// store reads and writes the objects of one git directory. go-git's storage is
// not made for concurrent use and does not see packs that others add: so one
// lock, and reopen.
type store struct {
	dir string

	mu sync.Mutex
	st *filesystem.Storage
}

// openStore opens without touching the disk; what is wrong there shows in the
// first read.
func openStore(dir string) *store {
	return &store{dir: dir, st: newStorage(dir)}
}

func newStorage(dir string) *filesystem.Storage {
	return filesystem.NewStorageWithOptions(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(cacheSize), filesystem.Options{
		KeepDescriptors:      true,
		LargeObjectThreshold: streamAbove,
		AlternatesFS:         osfs.New("/", osfs.WithBoundOS()),
	})
}

// reopen makes packs visible that came since.
func (s *store) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.st.Close()
	s.st = newStorage(s.dir)
	return err
}

// close gives the file descriptors free; a later read takes them again.
func (s *store) close() error { return s.reopen() }

// read is the content of an object of type t and at most limit bytes, checked
// against its name.
func (s *store) read(h plumbing.Hash, t plumbing.ObjectType, limit int64) ([]byte, error) {
	s.mu.Lock()
	data, err := s.load(h, t, limit)
	s.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", t, h, err)
	}
	if plumbing.ComputeHash(t, data) != h {
		return nil, fmt.Errorf("%s %s: %w: the content has another hash", t, h, errDamaged)
	}
	return data, nil
}

func (s *store) load(h plumbing.Hash, t plumbing.ObjectType, limit int64) (data []byte, err error) {
	defer shield(&err)
	obj, err := s.st.EncodedObject(t, h)
	if err != nil {
		return nil, damaged(err)
	}
	if obj.Size() > limit {
		return nil, &tooLargeError{obj.Size(), limit}
	}
	r, err := obj.Reader()
	if err != nil {
		return nil, damaged(err)
	}
	defer r.Close()
	data = make([]byte, obj.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, damaged(err)
	}
	return data, nil
}

// damaged says why an object cannot be had.
func damaged(err error) error { return fmt.Errorf("%w: %w", errDamaged, err) }

// shield turns a panic of the parsers over damaged files into an error.
func shield(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", errDamaged, p)
	}
}

// has says whether an object is there, without reading it.
func (s *store) has(h plumbing.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	func() {
		defer shield(&err)
		err = s.st.HasEncodedObject(h)
	}()
	return err == nil
}

// size is the length of a file's content in bytes.
func (s *store) size(h plumbing.Hash) (n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer shield(&err)
	if n, err = s.st.EncodedObjectSize(h); err != nil {
		err = fmt.Errorf("blob %s: %w", h, damaged(err))
	}
	return n, err
}

// put writes one object; writing what is there already is harmless.
func (s *store) put(t plumbing.ObjectType, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.st.SetEncodedObject(memory(t, data))
	return err
}

func memory(t plumbing.ObjectType, data []byte) *plumbing.MemoryObject {
	obj := &plumbing.MemoryObject{}
	obj.SetType(t)
	_, _ = obj.Write(data) // a memory object's Write returns no error
	return obj
}

// commit reads a commit.
func (s *store) commit(h plumbing.Hash) (c *object.Commit, err error) {
	data, err := s.read(h, plumbing.CommitObject, maxMeta)
	if err != nil {
		return nil, err
	}
	defer shield(&err)
	c = &object.Commit{}
	if err := c.Decode(memory(plumbing.CommitObject, data)); err != nil {
		return nil, fmt.Errorf("commit %s: %w", h, damaged(err))
	}
	return c, nil
}

// withPrefix are the objects whose hash begins with the hex digits.
func (s *store) withPrefix(digits string) (found []plumbing.Hash, err error) {
	whole, err := hex.DecodeString(digits[:len(digits)&^1])
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer shield(&err)
	return s.st.HashesWithPrefix(whole)
}
