package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/nodes/native/space"
	"github.com/bayplan/bayplan/nodes/registries"
	"github.com/bayplan/bayplan/schema"
)

// Store is a node's images. It is safe for concurrent use; one process has it
// open at a time.
type Store struct {
	cfg      Config
	platform v1.Platform
	lock     *os.File
	out      *registries.Outward
	slots    chan struct{}
	pause    time.Duration // between two attempts, the first time
	disk     func() (space.Disk, error)
	// ctx ends with the store: what is fetched belongs to it, not to whoever
	// asked first.
	ctx    context.Context
	cancel context.CancelCauseFunc
	pulls  *flights[Image]
	parts  *flights[layerInfo]
	access atomic.Pointer[registries.Access]
	// underWay are the pulls by reference.key.
	underWay sync.Map

	mu     sync.Mutex
	images map[string]*record   // by Digest
	names  map[string]string    // reference.key → Digest
	layers map[string]layerInfo // by diffID: those that are present, whole
	// wanted counts the pulls in flight that need a layer, held those who use
	// an image: neither is cleared.
	wanted, held map[string]int
	// touched are the images used since the last clearing began.
	touched map[string]bool
	// clearing is one at a time.
	clearing sync.Mutex
}

// Open takes the directory for this process, clears what a crash left, and
// reads what is there.
func Open(cfg Config) (*Store, error) {
	cfg, platform, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, platform: platform, slots: make(chan struct{}, cfg.Parallel), pause: firstPause,
		disk:   func() (space.Disk, error) { return space.Of(cfg.Dir) },
		images: map[string]*record{}, names: map[string]string{}, layers: map[string]layerInfo{},
		wanted: map[string]int{}, held: map[string]int{}, touched: map[string]bool{},
	}
	s.SetRegistries(nil)
	if err := s.take(); err != nil {
		return nil, fmt.Errorf("image store %s: %w", cfg.Dir, err)
	}
	if err := s.load(); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("image store %s: %w", cfg.Dir, err)
	}
	s.out = newOutward(cfg)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.pulls, s.parts = newFlights[Image](s.ctx, cfg.Log, false), newFlights[layerInfo](s.ctx, cfg.Log, true)
	return s, nil
}

// SetRegistries puts the cluster's settings behind [Config.Mirrors] and
// [Config.PlainHTTP], in place of those before, for the pulls that begin from now
// on.
func (s *Store) SetRegistries(cluster []schema.Registry) {
	s.access.Store(registries.NewAccess(s.cfg.Mirrors, s.cfg.PlainHTTP, cluster))
}

// Close ends the pulls in flight and lets another process open the directory.
func (s *Store) Close() error {
	s.cancel(errClosed)
	s.pulls.wait()
	s.parts.wait()
	s.out.CloseIdleConnections()
	return s.lock.Close()
}

// take makes the directories and locks them.
func (s *Store) take() error {
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	for _, sub := range []string{"images", "layers", "partial", "tmp"} {
		if err := os.Mkdir(s.path(sub), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
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
	return nil
}

// partialAge is how long an interrupted download is kept for its next attempt.
const partialAge = 24 * time.Hour

// load clears leftovers and reads layers first, since an image counts only with
// all of its own.
func (s *Store) load() error {
	if err := s.clearTemporary(); err != nil {
		return err
	}
	if err := s.clearPartials(time.Now().Add(-partialAge)); err != nil {
		return err
	}
	if err := s.loadLayers(); err != nil {
		return err
	}
	if err := s.loadImages(); err != nil {
		return err
	}
	return s.loadNames()
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.cfg.Dir}, elem...)...)
}

func (s *Store) imageFile(digest string) string { return s.path("images", hex(digest)+".json") }
func (s *Store) layerDir(diffID string) string  { return s.path("layers", hex(diffID)) }

// layerFiles is where a layer's own tree is.
func (s *Store) layerFiles(diffID string) string { return s.path("layers", hex(diffID), "fs") }

// clearTemporary removes all under tmp. Nobody else is there: the lock is held.
func (s *Store) clearTemporary() error {
	left, err := os.ReadDir(s.path("tmp"))
	if err != nil {
		return err
	}
	for _, e := range left {
		if err := os.RemoveAll(s.path("tmp", e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// clearPartials removes downloads that nobody went on with since then. The
// caller knows that none of these is going on.
func (s *Store) clearPartials(since time.Time) error {
	left, err := os.ReadDir(s.path("partial"))
	if err != nil {
		return err
	}
	for _, e := range left {
		info, err := e.Info()
		if err != nil || info.ModTime().After(since) {
			continue
		}
		if err := os.Remove(s.path("partial", e.Name())); err != nil {
			return err
		}
	}
	return nil
}
