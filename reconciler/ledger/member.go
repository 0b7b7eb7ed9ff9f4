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
)

const (
	// readyWithin is how long a start may take: 30,000 keys of 4 KiB take 0.6 s,
	// a slow disk may need fifty times that.
	readyWithin = 30 * time.Second
	// stopWithin is how long a member that has died is waited for; its
	// goroutines may hang on each other then.
	stopWithin = 2 * time.Second
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
}

// startMember starts etcd on dir and waits until it serves. died is called, once
// or more and from any goroutine, when it can go on no longer.
func startMember(ctx context.Context, dir string, log *slog.Logger, died func(error)) (*member, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, ErrNotReady)
	defer cancel()
	var death firstError
	lg := newZap(log, func(err error) { death.set(err); died(err) })
	started := launch(memberConfig(dir, lg), &death)
	select {
	case r := <-started:
		if r.err != nil {
			return nil, startError(dir, r.err)
		}
		if err := r.member.ready(ctx, dir); err != nil {
			return nil, err
		}
		return r.member, nil
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
// the goroutine or panics. The channel yields once.
func launch(cfg *embed.Config, death *firstError) <-chan startResult {
	started := make(chan startResult, 1)
	go func() {
		result := startResult{}
		defer func() {
			if p := recover(); p != nil {
				result.err = fmt.Errorf("%v", p)
			} else if result.member == nil && result.err == nil {
				result.err = death.get()
			}
			started <- result
		}()
		// A damaged database, mapped into memory, faults where it is read.
		debug.SetPanicOnFault(true)
		e, err := embed.StartEtcd(cfg)
		if err != nil {
			result.err = err
			return
		}
		result.member = &member{etcd: e}
	}()
	return started
}

// closeLate ends a member that comes up after nobody wants it any more. One that
// hangs is left behind.
func closeLate(started <-chan startResult) {
	select {
	case r := <-started:
		if r.member != nil {
			r.member.close(nil)
		}
	case <-time.After(stopWithin):
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
		m.close(nil)
		return startError(dir, errors.New("etcd stopped by itself"))
	case <-ctx.Done():
		m.close(ErrNotReady)
		return notReady(ctx, dir)
	}
}

func (m *member) client() *clientv3.Client { return v3client.New(m.etcd.Server) }

// close ends the member. One that has died for a cause is waited for only so
// long.
func (m *member) close(cause error) {
	closed := make(chan struct{})
	go func() { defer close(closed); m.etcd.Close() }()
	if cause == nil {
		<-closed
		return
	}
	select {
	case <-closed:
	case <-time.After(stopWithin):
	}
}

// startError names the cause of a member that did not start.
func startError(dir string, err error) error {
	switch {
	case errors.Is(err, ErrDiskFull):
		return err
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

// firstError keeps the first of several.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (f *firstError) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *firstError) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		return ErrFailed
	}
	return f.err
}
