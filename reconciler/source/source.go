package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/bayplan/bayplan/schema"
)

// Tip is one commit of the tracked branch.
type Tip struct {
	Revision schema.Revision
	// Files is the root folder as of that commit. It is safe for concurrent
	// use, lists neither symbolic links nor submodules, and refuses files of
	// more than Config.MaxFile bytes when they are opened: that error has a
	// method TooLarge() int64, the limit, and no other has. A FileInfo of it has
	// a method ObjectID() string: the git hash of the content.
	Files fs.FS
	// Detected is when the look began that found it.
	Detected time.Time
	// Warnings are about what the folder holds and Files does not, each a sentence.
	Warnings []string
}

// Trouble is why the newest state of the branch cannot be had.
type Trouble struct {
	// Code is one of the Code constants.
	Code string
	// Text is one cause, in a sentence.
	Text string
	// Next is what to type or do next.
	Next string
	// Since is when this code was first met without an end in between.
	Since time.Time
	// About is the commit that cannot be taken; zero where the trouble is not
	// one commit's.
	About schema.Revision
}

// Update is what changed: a new Tip (nil if none), and the trouble in force
// from now on (nil if none).
type Update struct {
	Tip     *Tip
	Trouble *Trouble
	// Passed are commits that came to the branch since the last Tip and are not
	// its newest, because one push or merge brought several: those in the history
	// of the Tip, or of the commit that Trouble is About, that were not in that
	// of the last Tip. Oldest first, the newest 100 at most. One may come twice.
	Passed []schema.Revision
}

// Source watches one branch. Its methods are safe for concurrent use, except
// that Watch runs once at a time.
type Source struct {
	cfg    Config
	log    *slog.Logger
	remote remote
	unlock func() error
	wake   chan struct{}
	poked  atomic.Bool

	// current is the generation that is read; writing is held while it is
	// written to or replaced, and guards what follows.
	current atomic.Pointer[mirror]
	writing sync.Mutex
	former  *mirror
	state   state
	judged  verdict
	// repaired is when a damaged generation was last replaced; again asks for the
	// Tip to be delivered once more since.
	repaired time.Time
	again    bool
	// signers is the stamp of the files of Config.Signers at the last look.
	signers string
}

// Open makes or opens the mirror and reads the credentials' form; it does not
// yet talk to the remote.
func Open(cfg Config) (*Source, error) {
	cfg, err := complete(cfg)
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, log: cfg.Log, wake: make(chan struct{}, 1)}
	if s.remote, err = newRemote(cfg); err != nil {
		return nil, err
	}
	if s.unlock, err = lockDir(cfg.Dir); err != nil {
		return nil, err
	}
	if err := s.openMirror(); err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	return s, nil
}

// openMirror takes up the newest generation and what was accepted of it.
func (s *Source) openMirror() error {
	m, err := openNewest(s.cfg.Dir)
	if err != nil {
		return err
	}
	m.hurt = s.nudge
	s.current.Store(m)
	s.state = readState(s.statePath(), state{Remote: s.cfg.URL, Branch: s.cfg.Branch, Root: s.cfg.Root})
	return nil
}

func (s *Source) statePath() string { return filepath.Join(s.cfg.Dir, "state.json") }

// Poke asks for a look now, whatever back-off is in force.
func (s *Source) Poke() {
	s.poked.Store(true)
	s.nudge()
}

func (s *Source) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Descends says whether from is to or one of its ancestors. A from that the
// mirror does not know is none (I12); a to that it does not know is an error.
func (s *Source) Descends(ctx context.Context, from, to string) (bool, error) {
	m := s.current.Load()
	goal, err := m.resolve(from)
	if errors.Is(err, ErrUnknownCommit) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	start, err := m.resolve(to)
	if err != nil {
		return false, err
	}
	return m.reaches(ctx, start, goal)
}

// At is a given commit as a Tip, by its full hash or an unambiguous beginning
// of at least 4 digits. It does not change what Watch delivers.
func (s *Source) At(ctx context.Context, commit string) (Tip, error) {
	now := time.Now()
	m := s.current.Load()
	h, err := m.resolve(commit)
	if err != nil {
		return Tip{}, err
	}
	tip, err := s.tipOf(m, h, now)
	if errors.Is(err, errDamaged) {
		tip, err = s.recover(ctx, h, now)
	}
	if err != nil {
		return Tip{}, fmt.Errorf("commit %s: %w", h.String()[:10], err)
	}
	return tip, nil
}

// recover completes a commit whose tree the mirror has not, or no longer: the
// trees of older commits are not copied from a repository on this machine.
func (s *Source) recover(ctx context.Context, h plumbing.Hash, now time.Time) (Tip, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	m := s.current.Load()
	if err := s.remote.complete(ctx, m, h); err != nil {
		return Tip{}, err
	}
	return s.tipOf(m, h, now)
}

// Close releases the mirror. Watch must have returned. Files of Tips that were
// delivered can still be read, as long as nothing else changes the folder.
func (s *Source) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.remote.close()
	if s.former != nil {
		err = errors.Join(err, s.former.discard())
		s.former = nil
	}
	return errors.Join(err, s.current.Load().close(), s.unlock())
}

// lockDir makes dir and takes it for this process.
func lockDir(dir string) (func() error, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("git mirror: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("git mirror: %w", err)
	}
	if err := flock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("git mirror: the folder %s is in use by another process: stop it, or give another folder", dir), f.Close())
	}
	return f.Close, nil
}
