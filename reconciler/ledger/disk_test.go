package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// smallDisk is a file system of that size.
func smallDisk(t *testing.T, size schema.Bytes) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("mounting a small tmpfs: %v (needs root)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ballast fills the disk until so much is free. Others write meanwhile (etcd
// prepares its next log), so it looks again after each try.
func ballast(dir string, leave schema.Bytes) error {
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		return err
	}
	defer f.Close()
	for size := schema.Bytes(0); ; {
		free, _, err := diskFree(dir)
		if err != nil || free <= leave {
			return err
		}
		err = unix.Fallocate(int(f.Fd()), 0, int64(size), int64(free-leave))
		if err == nil {
			size += free - leave
		} else if !errors.Is(err, unix.ENOSPC) {
			return err
		}
	}
}

func fill(t *testing.T, dir string, leave schema.Bytes) {
	t.Helper()
	if err := ballast(dir, leave); err != nil {
		t.Fatal(err)
	}
}

func unfill(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_FullDiskIsRefused(t *testing.T) {
	dir := smallDisk(t, 48<<20)
	_, err := Open(t.Context(), Config{Dir: filepath.Join(dir, "data"), Log: quiet()})
	if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("got %v", err)
	}
	fill(t, dir, 0)
	if _, err := Open(t.Context(), Config{Dir: filepath.Join(dir, "data"), Log: quiet()}); !errors.Is(err, ErrDiskFull) {
		t.Errorf("with nothing left: %v", err)
	}
}

// A disk that fills up under a running server is warned of, then refuses
// writes; nothing that was recorded is lost and all goes on once there is space.
func TestRecord_OnAFullDiskLosesNothing(t *testing.T) {
	disk := smallDisk(t, 256<<20)
	dir := filepath.Join(disk, "data")
	l := open(t, dir)
	term := campaign(t, l)
	recorded, wanted := clusterOf(30, 3), clusterOf(40, 4)
	if err := l.Low(); err != nil {
		t.Errorf("an empty disk: %v", err)
	}
	if err := term.Record(t.Context(), reconciler.Facts{}, recorded, nil); err != nil {
		t.Fatal(err)
	}
	for _, free := range []schema.Bytes{floor - 1<<20, 0} {
		fill(t, disk, free)
		wantRefused(t, l, term, recorded, wanted)
		unfill(t, disk)
	}
	if err := term.Record(t.Context(), recorded, wanted, nil); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if d := differ(wanted, facts(t, open(t, dir))); d != "" {
		t.Error(d)
	}
}

func wantRefused(t *testing.T, l *Ledger, term *Term, recorded, wanted reconciler.Facts) {
	t.Helper()
	var low *DiskError
	if err := l.Low(); !errors.As(err, &low) || low.Need != lowMin {
		t.Errorf("low: %v", err)
	}
	if err := term.Record(t.Context(), recorded, wanted, nil); !errors.Is(err, ErrDiskFull) {
		t.Errorf("record: %v", err)
	}
	if err := l.PutToken(t.Context(), "a", Token{}); !errors.Is(err, ErrDiskFull) {
		t.Errorf("token: %v", err)
	}
	if d := differ(recorded, facts(t, l)); d != "" {
		t.Error(d)
	}
	select {
	case <-term.Lost():
		t.Error("the term is lost")
	default:
	}
}

func TestLow_OnBigAndSmallDisks(t *testing.T) {
	for total, want := range map[schema.Bytes]schema.Bytes{100 << 20: 128 << 20, 2 << 30: (2 << 30) * 15 / 100, 1 << 40: 1 << 30} {
		if got := lowMark(total); got != want {
			t.Errorf("%s: %s, want %s", total, got, want)
		}
	}
}

// childFill writes past the floor until etcd gives up.
func childFill(dir string) {
	l, err := Open(context.Background(), Config{Dir: filepath.Join(dir, "data"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	if err := ballast(dir, 0); err != nil {
		fmt.Println("error:", err)
		return
	}
	text := noise(1 << 20)
	for i := 0; l.Err() == nil && i < 1000; i++ {
		l.hold(context.Background(), func(ctx context.Context) error {
			_, err := l.kv.Put(ctx, fmt.Sprint("noise", i), text)
			return err
		})
	}
	<-l.Done()
	_, factsErr := l.Facts(context.Background())
	fmt.Println(errors.Is(l.Err(), ErrFailed), errors.Is(l.Err(), ErrDiskFull), errors.Is(factsErr, ErrFailed))
	began := time.Now()
	fmt.Println(errors.Is(l.Close(), ErrFailed), time.Since(began) < 2*time.Second)
	fmt.Println(l.Err())
}

// Where etcd itself finds no more space, the Ledger ends and says why; the
// process lives, and the next start has what was recorded.
func TestLedger_ThatDiesOfAFullDiskEndsNotTheProcess(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 160<<20)
	dir := filepath.Join(disk, "data")
	l := open(t, dir)
	f := clusterOf(30, 3)
	if err := campaign(t, l).Record(t.Context(), reconciler.Facts{}, f, nil); err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	got := childOutput(t, "fill", disk)
	if !strings.HasPrefix(got, "true true true\ntrue true\n") || !strings.Contains(got, "free some space") {
		t.Errorf("got %s", got)
	}
	unfill(t, disk)
	if d := differ(f, facts(t, open(t, dir))); d != "" {
		t.Error(d)
	}
}
