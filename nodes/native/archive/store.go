package archive

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/space"
	"github.com/bayplan/bayplan/nodes/registries"
	"github.com/bayplan/bayplan/schema"
)

// Store is a node's archives. It is safe for concurrent use; one process has it
// open at a time.
type Store struct {
	cfg   Config
	lock  *os.File
	out   *registries.Outward
	slots chan struct{}
	turns turns
	pause time.Duration // between two attempts, the first time
	disk  func() (space.Disk, error)

	// expected is the size of what is being fetched, by sha256.
	expected sync.Map

	mu sync.Mutex
	// held counts those who use a tree, touched are the ones used since the last
	// clearing began: neither is cleared.
	held    map[string]int
	touched map[string]bool
	// clearing is one at a time.
	clearing sync.Mutex
}

// Tree is an archive that is present, unpacked.
type Tree struct {
	// Key is what [Config.InUse] speaks of.
	Key string
	// Layer is a directory for overlayfs, never written to.
	Layer string
}

// Open takes the directory for this process and clears what a crash left.
func Open(cfg Config) (*Store, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, out: newOutward(cfg), slots: make(chan struct{}, cfg.Parallel), pause: firstPause,
		turns: turns{all: map[string]*turn{}}, disk: func() (space.Disk, error) { return space.Of(cfg.Dir) },
		held: map[string]int{}, touched: map[string]bool{},
	}
	if err := s.take(); err != nil {
		return nil, fmt.Errorf("archive store %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// Close lets another process open the directory. No call is under way.
func (s *Store) Close() error {
	s.out.CloseIdleConnections()
	return s.lock.Close()
}

// partialAge is how long an interrupted download is kept for its next attempt.
const partialAge = 24 * time.Hour

func (s *Store) take() error {
	for _, sub := range []string{"", "trees", "partial", "tmp"} {
		if err := os.MkdirAll(s.path(sub), 0o700); err != nil {
			return err
		}
	}
	lock, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return fmt.Errorf("another process has it open: %w", err)
	}
	s.lock = lock
	if err := errors.Join(s.clearTmp(), s.clearPartials(partialAge)); err != nil {
		lock.Close()
		return err
	}
	return nil
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.cfg.Dir}, elem...)...)
}

func (s *Store) about(key string) string { return s.path("trees", key, "about.json") }

// keyOf names what a tree is made of and how: the same archive elsewhere in a
// container is another tree.
func keyOf(a *schema.Artifact) string {
	how := "auto"
	if a.Unpack != nil {
		how = fmt.Sprint(*a.Unpack)
	}
	sum := sha256.Sum256([]byte(how + "\x00" + a.Folder() + "\x00" + a.File()))
	return fmt.Sprintf("%s-%x", a.SHA256, sum[:8])
}

// check refuses what could not be a path of ours, whoever let it through.
func check(a *schema.Artifact) error {
	if len(a.SHA256) != 64 || strings.Trim(a.SHA256, "0123456789abcdef") != "" {
		return wrong("%q is no sha256", a.SHA256)
	}
	if a.Folder() == "/" {
		return wrong("an artifact cannot take the place of the container's root")
	}
	return nil
}

// Pull makes an archive present. It returns at once if it is.
func (s *Store) Pull(ctx context.Context, a schema.Artifact) error {
	if err := check(&a); err != nil {
		return explain(&a, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Deadline, errDeadline)
	defer cancel()
	// One at a time for the same content: the others find the tree, or at least
	// what was fetched.
	done, err := s.turns.take(ctx, a.SHA256)
	if err != nil {
		return explain(&a, err)
	}
	defer done()
	if s.present(keyOf(&a)) {
		return nil
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return explain(&a, context.Cause(ctx))
	}
	defer func() { <-s.slots }()
	defer s.expected.Delete(a.SHA256)
	return explain(&a, s.sized(&a, s.bring(ctx, &a)))
}

// sized tells an archive that does not fit from a disk that is full without it: the
// one is the archive's fault and leaves room for others, the other is the node's.
func (s *Store) sized(a *schema.Artifact, err error) error {
	if !isFull(err) {
		return err
	}
	err = errors.Join(err, gone(os.Remove(s.path("partial", a.SHA256))))
	if s.checkRoom(0) == nil {
		return &noFitError{err}
	}
	return err
}

func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Store) present(key string) bool {
	_, err := os.Stat(s.about(key))
	return err == nil
}

// bring fetches and unpacks.
func (s *Store) bring(ctx context.Context, a *schema.Artifact) error {
	file, err := s.fetch(ctx, a)
	if err != nil {
		return err
	}
	defer file.Close()
	key := keyOf(a)
	tmp := s.path("tmp", key)
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o700)); err != nil {
		return local(err)
	}
	info, err := s.unpack(ctx, a, file, filepath.Join(tmp, "fs"))
	if err == nil {
		err = local(s.commit(tmp, key, info))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	s.cfg.Log.Info("archive fetched", "url", a.URL, "sha256", a.SHA256, "format", info.Format, "entries", info.Entries, "bytes", info.Bytes)
	if err := gone(os.Remove(s.path("partial", a.SHA256))); err != nil {
		s.cfg.Log.Warn("removing a download", "err", err)
	}
	return nil
}

// info is what a tree was made of.
type info struct {
	URL     string `json:"url"`
	SHA256  string `json:"sha256"`
	Format  string `json:"format"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

// commit brings a tree to the disk and gives it its name.
func (s *Store) commit(tmp, key string, info info) error {
	b, err := json.Marshal(info)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "about.json"), b, 0o600); err != nil {
		return err
	}
	if err := syncAll(tmp); err != nil {
		return err
	}
	s.mu.Lock()
	s.touched[key] = true
	s.mu.Unlock()
	if err := os.Rename(tmp, s.path("trees", key)); err != nil {
		return err
	}
	return syncDir(s.path("trees"))
}

// syncAll brings all of the file system to the disk: one call for many files.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Use finds an archive that is present, for one who is about to write down, where
// [Config.InUse] will see it, that it is in use: until release is called it is not
// cleared.
func (s *Store) Use(a schema.Artifact) (tree Tree, release func(), err error) {
	key := keyOf(&a)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if err := os.Chtimes(s.about(key), now, now); err != nil {
		return Tree{}, nil, fail(nodes.ImageNotFound, err, "the archive %s is not on this node", a.URL)
	}
	s.held[key]++
	s.touched[key] = true
	return Tree{Key: key, Layer: s.path("trees", key, "fs")}, s.releaser(key), nil
}

// releaser ends one hold, once. The tree counts as touched again, so that a
// clearing that asked for those in use before this moment spares it.
func (s *Store) releaser(key string) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.touched[key] = true
			if s.held[key]--; s.held[key] == 0 {
				delete(s.held, key)
			}
		})
	}
}
