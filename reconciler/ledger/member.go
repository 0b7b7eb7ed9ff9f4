package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/schema"
)

const (
	// readyWithin is how long a start may take: 30,000 keys of 4 KiB take 0.6 s,
	// a slow disk may need fifty times that.
	readyWithin = 30 * time.Second
	// closeWithin is how long a member may take to stop: milliseconds usually.
	closeWithin = 10 * time.Second
	// lateWithin is how long is waited for what may never come: the end of a
	// member that died, a start that nobody wants any more.
	lateWithin = 500 * time.Millisecond
	// segment is the size of a file of the write-ahead log. etcd's own 64 MB,
	// twice, is more than these facts ever fill.
	segment = 8 << 20
	// memberURL is the lone member's address in its own books. It listens
	// nowhere: no port, no socket.
	memberURL = "unix://ledger:0"
)

var smallSegments = sync.OnceFunc(func() { wal.SegmentSizeBytes = segment })

// member is an etcd server inside this process.
type member struct {
	etcd *embed.Etcd
	end  *ending

	mu sync.Mutex
	// reserved is how much disk the database's file owns.
	reserved schema.Bytes
}

// ending is the first death that was told of.
type ending struct {
	once  sync.Once
	known chan struct{}
	death *death
}

func (e *ending) set(d *death) {
	e.once.Do(func() { e.death = d; close(e.known) })
}

// err is nil while none is known.
func (e *ending) err() error {
	select {
	case <-e.known:
		return e.death
	default:
		return nil
	}
}

// startMember starts etcd on dir and waits until it serves. died is called, once
// or more and from any goroutine, when it can go on no longer.
func startMember(ctx context.Context, dir string, log *slog.Logger, died func(*death)) (*member, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, ErrNotReady)
	defer cancel()
	end := &ending{known: make(chan struct{})}
	lg := newZap(log, func(d *death) { end.set(d); died(d) })
	started := launch(memberConfig(dir, lg), end)
	select {
	case r := <-started:
		if r.err != nil {
			return nil, startError(dir, r.err)
		}
		if err := r.member.ready(ctx, dir); err != nil {
			return nil, err
		}
		return r.member, nil
	case <-end.known:
		closeLate(started)
		return nil, startError(dir, end.death)
	case <-ctx.Done():
		closeLate(started)
		return nil, notReady(ctx, dir)
	}
}

type startResult struct {
	member *member
	err    error
}

// launch starts etcd on a goroutine of its own, since on damaged data it ends
// the goroutine, panics, or waits for a part of itself that has ended. The
// channel yields at most once.
func launch(cfg *embed.Config, end *ending) <-chan startResult {
	started := make(chan startResult, 1)
	go func() {
		result := startResult{err: ErrFailed}
		defer func() {
			if p := recover(); p != nil {
				result = startResult{err: fmt.Errorf("%v", p)}
			} else if err := end.err(); err != nil && result.member == nil {
				result.err = err
			}
			started <- result
		}()
		// A damaged database, mapped into memory, faults where it is read.
		debug.SetPanicOnFault(true)
		if e, err := embed.StartEtcd(cfg); err != nil {
			result.err = err
		} else {
			result = startResult{member: &member{etcd: e, end: end}}
		}
	}()
	return started
}

// closeLate ends a member that comes up after nobody wants it any more. One that
// hangs is left behind.
func closeLate(started <-chan startResult) {
	select {
	case r := <-started:
		if r.member != nil {
			r.member.close()
		}
	case <-time.After(lateWithin):
	}
}

// memberConfig is a lone member that listens nowhere and is tuned for a few
// thousand keys: quick to elect itself, with a short raft log in memory.
func memberConfig(dir string, lg *zap.Logger) *embed.Config {
	smallSegments()
	u, err := url.Parse(memberURL)
	if err != nil {
		panic("ledger: its own URL: " + err.Error())
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "ledger", filepath.Join(dir, "etcd")
	cfg.AdvertisePeerUrls = []url.URL{*u}
	cfg.InitialCluster = cfg.Name + "=" + memberURL
	cfg.ListenPeerUrls, cfg.ListenClientUrls, cfg.AdvertiseClientUrls = nil, nil, nil
	cfg.EnableGRPCGateway = false
	// Alone it needs nobody's vote: 100 ms instead of a second to lead.
	cfg.TickMs, cfg.ElectionMs = 10, 100
	cfg.QuotaBackendBytes = 4 << 30
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = embed.CompactorModeRevision, "1000"
	// The log's tail is for followers, of which there are none; at etcd's own
	// 10,000 entries of up to a megabyte it would be most of the server's memory.
	cfg.SnapshotCount, cfg.SnapshotCatchUpEntries = 1000, 10
	cfg.MaxWalFiles, cfg.MaxSnapFiles = 2, 2
	cfg.WarningApplyDuration, cfg.WarningUnaryRequestDuration = time.Second, time.Second
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(lg)
	return cfg
}

// ready waits until the member serves; where it does not, it is closed.
func (m *member) ready(ctx context.Context, dir string) error {
	select {
	case <-m.etcd.Server.ReadyNotify():
		return nil
	case <-m.etcd.Server.StopNotify():
		m.close()
		return startError(dir, errors.New("etcd stopped by itself"))
	case <-m.end.known:
		m.close()
		return startError(dir, m.end.death)
	case <-ctx.Done():
		m.close()
		return notReady(ctx, dir)
	}
}

func (m *member) client() *clientv3.Client { return v3client.New(m.etcd.Server) }

// close ends the member, and tells if it died instead. Once it has died, its
// goroutines may hang on each other: they are waited for only so long.
func (m *member) close() error {
	closed := make(chan struct{})
	go func() { defer close(closed); m.etcd.Close() }()
	late := time.NewTimer(closeWithin)
	defer late.Stop()
	select {
	case <-closed:
		return m.end.err()
	case <-m.end.known:
		late.Reset(lateWithin)
	case <-late.C:
		return fmt.Errorf("%w: etcd did not stop within %s; what is recorded is safe", ErrFailed, closeWithin)
	}
	select {
	case <-closed:
	case <-late.C:
	}
	return m.end.err()
}

// startError names the cause of a member that did not start.
func startError(dir string, err error) error {
	var dead *death
	switch {
	case errors.Is(err, ErrDiskFull):
		return err
	case errors.As(err, &dead):
		err = errors.New(dead.text)
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w: %v; free some space under %s", ErrDiskFull, err, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("data folder %s: %w; make it this user's (chown -R), or give another --data-dir", dir, err)
	}
	return fmt.Errorf("%w: %s: %v; restore a backup of that folder, or move it away to start anew (what runs keeps running)",
		ErrCorrupt, filepath.Join(dir, "etcd"), err)
}

func notReady(ctx context.Context, dir string) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ErrNotReady) {
		return fmt.Errorf("starting the ledger: %w", cause)
	}
	return fmt.Errorf("%w: etcd on %s did not serve within %s; is the disk slow, or does another etcd hold the folder (fuser -v %s)?",
		ErrNotReady, dir, readyWithin, filepath.Join(dir, "etcd/member/snap/db"))
}
