//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

func sinceBoot(t testing.TB) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// lease is one of the rig's, written down where a file is to be.
func (r *rig) lease(until time.Duration) *bundle.Lease {
	return &bundle.Lease{Until: until, File: filepath.Join(r.folder, "lease"), Boot: "here", Signal: "SIGTERM", Grace: time.Second}
}

func (r *rig) renew(boot string, until time.Duration) {
	r.Helper()
	r.must(os.WriteFile(filepath.Join(r.folder, "lease"), fmt.Appendf(nil, "%s %d\n", boot, until), 0o600))
}

// lapsed waits for a program that is ended by its lease, not before until.
func (r *rig) lapsed(until time.Duration) bundle.Exit {
	r.Helper()
	e := r.wait()
	if now := sinceBoot(r); now < until || !e.Lapsed {
		r.Errorf("it ended %v after its lease: %+v", now-until, e)
	}
	return e
}

func TestLease_LastsForAsLongAsItsFileSays(t *testing.T) {
	r := newRig(t, "sleep")
	until := sinceBoot(t) + 3*time.Second
	r.cfg.Lease = r.lease(0)
	r.renew("here", until)
	r.start()
	if r.lapsed(until); r.output() != "ready\nterminated\n" {
		t.Errorf("%q", r.output())
	}
}

// TestLease_OfAnotherBootCountsForNothing has a file that says for ever.
func TestLease_OfAnotherBootCountsForNothing(t *testing.T) {
	r := newRig(t, "ignore")
	until := sinceBoot(t) + time.Second
	r.cfg.Lease = r.lease(until)
	r.renew("before", 1<<60)
	r.start()
	if e := r.lapsed(until); e.Code != 137 {
		t.Errorf("what does not end is killed: %+v", e)
	}
}

func TestLease_OfAProgramThatRuns(t *testing.T) {
	r := newRig(t, "sleep")
	r.start()
	r.awaitOutput("ready")
	for _, l := range []*bundle.Lease{r.lease(sinceBoot(t) + time.Hour), nil, r.lease(0)} {
		var heard bundle.Ready
		if err := json.NewDecoder(bufio.NewReader(r.ask(bundle.Request{Op: bundle.OpLease, Lease: l}))).Decode(&heard); err != nil || heard.Trouble != nil {
			t.Fatal(heard, err)
		}
	}
	r.lapsed(0)
}
