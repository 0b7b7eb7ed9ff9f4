package ledger

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// answerWithin bounds every call but Campaign: a healthy etcd takes
// milliseconds, and one without a quorum never answers.
const answerWithin = 10 * time.Second

// Config says where the facts are kept.
type Config struct {
	// Dir is the data folder of the embedded member; made where it is missing,
	// with 0700. Unused with Endpoints.
	Dir string
	// Endpoints are an outside cluster's ("https://etcd-1:2379", …); empty runs
	// a member in this process.
	Endpoints []string
	// TLS is for the outside cluster; nil is plain text.
	TLS *tls.Config
	// Prefix stands before every key; empty is "bayplan/". Two clusters may
	// share an etcd by different prefixes.
	Prefix string
	// Name tells this server from others in the election; empty is the host's.
	Name string
	// Log gets etcd's warnings; nil is slog.Default.
	Log *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" && len(c.Endpoints) == 0 {
		return c, errors.New("ledger: neither a data folder nor an etcd cluster is given; use --data-dir or --etcd")
	}
	if c.Prefix == "" {
		c.Prefix = "bayplan/"
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("naming this server: %w", err)
		}
		c.Name = host
	}
	return c, nil
}

// Ledger is the open store. It is safe for concurrent use.
type Ledger struct {
	cfg    Config
	kv     *clientv3.Client
	member *member
	lock   *os.File
	// ctx ends with the Ledger; its cause says why.
	ctx  context.Context
	stop context.CancelCauseFunc
	// term is the newest that this Ledger won, ended or not.
	term atomic.Pointer[Term]
	// away is why an outside cluster did not answer when it was last asked.
	away atomic.Pointer[error]

	mu     sync.Mutex
	closed bool
	terms  map[*Term]bool
	// busy counts the calls under way.
	busy sync.WaitGroup
}

// Open opens the ledger, or says in one sentence why not and what to do. It
// returns within 30 seconds, and at once where another server has the folder.
func Open(ctx context.Context, cfg Config) (*Ledger, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Ledger{cfg: cfg, terms: map[*Term]bool{}}
	l.ctx, l.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	if len(cfg.Endpoints) > 0 {
		err = l.openOutside(ctx)
	} else {
		err = l.openEmbedded(ctx)
	}
	if err != nil {
		l.stop(err)
		return nil, err
	}
	return l, nil
}

func (l *Ledger) openEmbedded(ctx context.Context) (err error) {
	dir, err := filepath.Abs(l.cfg.Dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	l.cfg.Dir = dir
	if l.lock, err = lockDir(dir); err != nil {
		return err
	}
	if err = l.startEmbedded(ctx); err != nil {
		return errors.Join(err, l.lock.Close())
	}
	return nil
}

func (l *Ledger) startEmbedded(ctx context.Context) error {
	if err := roomFor(l.cfg.Dir, MinFree); err != nil {
		return err
	}
	m, err := startMember(ctx, l.cfg.Dir, l.cfg.Log, func(d *death) { l.stop(d) })
	if err != nil {
		return err
	}
	l.member, l.kv = m, m.client()
	if err := l.dismiss(ctx); err != nil {
		return errors.Join(fmt.Errorf("opening the ledger in %s: %w", l.cfg.Dir, err), l.shut())
	}
	return nil
}

// dismiss ends the candidacies of former runs: the lock on the folder proves
// that none of them lives, so nobody need wait for their leases to expire.
func (l *Ledger) dismiss(ctx context.Context) error {
	return l.do(ctx, func(ctx context.Context) error {
		_, err := l.kv.Delete(ctx, l.key(leaderKey), clientv3.WithPrefix())
		return err
	})
}

// Close ends the terms, so that another server can lead at once, and then the
// store. Calls under way fail with ErrClosed. Closing twice is no error. A
// member that died before or while it closed is one (ErrFailed): what was
// recorded is safe, but this process cannot open the folder again.
func (l *Ledger) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	terms := l.terms
	l.terms = nil
	l.mu.Unlock()
	if closed {
		return nil
	}
	for t := range terms {
		t.Resign()
	}
	l.stop(ErrClosed)
	l.busy.Wait()
	return errors.Join(l.shut(), l.unlock())
}

func (l *Ledger) shut() error {
	err := l.kv.Close()
	if errors.Is(err, context.Canceled) {
		err = nil // the in-process client says how its context ended
	}
	if l.member != nil {
		err = errors.Join(err, l.member.close())
	}
	return err
}

func (l *Ledger) unlock() error {
	if l.lock == nil {
		return nil
	}
	return l.lock.Close()
}

// Done is closed once the Ledger is of no more use: it was closed, or its
// member died. Err tells which.
func (l *Ledger) Done() <-chan struct{} { return l.ctx.Done() }

// Err is nil while the Ledger serves, then ErrClosed or why its member died
// (ErrFailed, and ErrDiskFull where that was the cause).
func (l *Ledger) Err() error { return context.Cause(l.ctx) }

func (l *Ledger) key(k string) string { return l.cfg.Prefix + k }

// do runs one bounded call on the store and words its error.
func (l *Ledger) do(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, ErrUnreachable)
	defer cancel()
	return l.hold(ctx, f)
}

// hold runs a call that Close waits for and that the Ledger's end cancels.
func (l *Ledger) hold(ctx context.Context, f func(context.Context) error) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.busy.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(l.Err()) })()
	return l.explain(ctx, f(ctx))
}

func (l *Ledger) enter() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.Err(); err != nil {
		return err
	}
	if l.closed {
		return ErrClosed
	}
	l.busy.Add(1)
	return nil
}

// explain prefers the cause of an ended context to etcd's word for it.
func (l *Ledger) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case l.Err() != nil:
		return l.Err()
	case errors.Is(context.Cause(ctx), ErrUnreachable):
		return fmt.Errorf("%w within %s: %v", ErrUnreachable, answerWithin, err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded): // etcd's own, of 5 s
		return fmt.Errorf("%w: %v; is its disk slow?", ErrUnreachable, err)
	}
	return plain(err)
}
