package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/bayplan/bayplan/schema"
)

// Config says what to watch and how. URL and Dir are required.
type Config struct {
	// URL is the remote: a path or file:// URL of a repository on this machine,
	// https://, http://, ssh:// or user@host:path. It may hold a user, never a
	// password.
	URL string
	// Branch is the branch that is tracked; "main" if empty.
	Branch string
	// Root is the folder of the repository that Tips show, "/"-separated;
	// empty is all of it.
	Root string
	// Dir is where the mirror is kept; it is made, and one process at a time
	// may use it.
	Dir string

	// Backend is what speaks to the remote: BackendGo (if empty) or BackendExec.
	Backend string
	// Poll is the longest time between two looks while nothing is heard; 15 s if
	// zero. They are up to a fifth closer, so that servers do not look together.
	Poll time.Duration
	// FetchTimeout bounds one whole fetch by the wall clock; 10 min if zero.
	FetchTimeout time.Duration
	// MaxFile is the most bytes a file may have to be read; 1 MiB if zero.
	MaxFile int64
	// MaxFetch is the most bytes that one answer of a remote may have; 2 GiB
	// if zero.
	MaxFetch int64
	// MaxObjects is the most objects that one answer may have, 2 million if zero;
	// MaxObject the most bytes of one of them, 64 MiB if zero; MaxInflated the most
	// of all together, unpacked, 8 GiB if zero.
	MaxObjects             int
	MaxObject, MaxInflated int64
	// MaxFiles is the most files that the root folder may have with all below it;
	// 50,000 if zero.
	MaxFiles int

	// UserFile and TokenFile hold the user and the token (or password) for
	// http; both are read again for each look, so that they can be rotated. A
	// token without a user is sent as user "x-access-token".
	UserFile, TokenFile string
	// App reads by the token of a GitHub App's installation instead.
	App App
	// CAFile holds more certificates to trust for https, PEM.
	CAFile string
	// KeyFile is the private key for ssh, without passphrase.
	KeyFile string
	// KnownHostsFile lists the ssh hosts to trust; ~/.ssh/known_hosts if empty.
	KnownHostsFile string

	// Verify says which commits must be signed: VerifyOff (if empty), VerifyTip or
	// VerifyRange; Signers says by whom.
	Verify  string
	Signers Signers

	// Log is told of fetches, rebuilt mirrors and troubles; may be nil.
	Log *slog.Logger
}

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

// complete fills in the defaults and rejects what cannot be meant.
func complete(cfg Config) (Config, error) {
	cfg.Branch = cmp.Or(cfg.Branch, "main")
	cfg.Poll = cmp.Or(cfg.Poll, 15*time.Second)
	cfg.FetchTimeout = cmp.Or(cfg.FetchTimeout, 10*time.Minute)
	cfg.MaxFile = cmp.Or(cfg.MaxFile, 1<<20)
	cfg.MaxFetch = cmp.Or(cfg.MaxFetch, 2<<30)
	cfg.MaxObjects = cmp.Or(cfg.MaxObjects, 2_000_000)
	cfg.MaxObject = cmp.Or(cfg.MaxObject, 64<<20)
	cfg.MaxInflated = cmp.Or(cfg.MaxInflated, 8<<30)
	cfg.MaxFiles = cmp.Or(cfg.MaxFiles, 50_000)
	cfg.Backend = cmp.Or(cfg.Backend, BackendGo)
	cfg.Verify = cmp.Or(cfg.Verify, VerifyOff)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dir == "" {
		return cfg, errors.New("git source: no folder given for the mirror")
	}
	if err := branchRef(cfg.Branch).Validate(); err != nil {
		return cfg, fmt.Errorf("git source: %q is no branch name: %w", cfg.Branch, err)
	}
	root := path.Clean(cmp.Or(cfg.Root, "."))
	if !fs.ValidPath(root) {
		return cfg, fmt.Errorf("git source: the root folder %q must be a path below the top of the repository", cfg.Root)
	}
	cfg.Root = root
	return cfg, errors.Join(cfg.checkVerify(), cfg.App.check(&cfg))
}

func branchRef(name string) plumbing.ReferenceName { return plumbing.NewBranchReferenceName(name) }

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
