//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"os"
	"os/signal"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// What goes from parents to children by itself, and is not meant to.
func TestLife_InheritsNothingOfTheAgent(t *testing.T) {
	r := newRig(t, "status", "SigIgn", "SigBlk", "Umask")
	r.cfg.User = "app"
	signal.Ignore(unix.SIGHUP, unix.SIGUSR2)
	defer signal.Reset(unix.SIGHUP, unix.SIGUSR2)
	ignore(t, 32) // which neither Go nor the C library gives back
	old := unix.Umask(0o077)
	r.start()
	unix.Umask(old)
	r.wait()
	if out := r.output(); out != "Umask 0022\nSigBlk 0000000000000000\nSigIgn 0000000000000000\n" {
		t.Errorf("%q", out)
	}
}

// ignore has this process, and so what it starts, ignore a signal past all
// libraries, as make does with two.
func ignore(t *testing.T, sig uintptr) {
	t.Helper()
	const size = 8 // of a set of signals
	action, before := [4]uintptr{1 /* SIG_IGN */}, [4]uintptr{}
	set := func(action, before *[4]uintptr) {
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(before)), size, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
	set(&action, &before)
	t.Cleanup(func() { set(&before, nil) })
}

func TestLife_OutlivesWhatEndsAnAgent(t *testing.T) {
	r := newRig(t, "sleep")
	r.start()
	r.awaitOutput("ready")
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM} {
		r.must(r.process.Signal(sig))
	}
	if code, _, _ := r.command(bundle.Exec{Args: []string{"probe", "exit", "3"}}, ""); code != 3 {
		t.Errorf("%d", code)
	}
	if e := r.stop("SIGINT", patience); e.Code != 0 || r.output() != "ready\ninterrupt\n" {
		t.Errorf("%+v %q", e, r.output())
	}
}
