//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

func TestLife_FloodsAreBounded(t *testing.T) {
	r := newRig(t, "flood", "20000000")
	r.cfg.Log = bundle.Log{FileSize: 1 << 20, Files: 3}
	if _, out := r.finish(); !strings.HasSuffix(out, "\nend\n") || len(out) > 4<<20 {
		t.Errorf("%d bytes, ending in %q", len(out), out[max(0, len(out)-20):])
	}
}

func TestLife_OutputIsCopiedToListeners(t *testing.T) {
	r := newRig(t, "sleep")
	r.start()
	r.awaitOutput("ready")
	c := r.ask(bundle.Request{Op: bundle.OpOutput})
	kind, p, err := bundle.ReadFrame(c, nil)
	if kind != bundle.FrameStdout || len(p) > 0 || err != nil {
		t.Fatalf("%v %q %v", kind, p, err)
	}
	r.stop("SIGTERM", patience)
	kind, p, err = bundle.ReadFrame(c, nil)
	if kind != bundle.FrameStdout || string(p) != "terminated\n" || err != nil {
		t.Errorf("%v %q %v", kind, p, err)
	}
	if _, _, err := bundle.ReadFrame(c, nil); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

// Somebody outside holds the output; it is not waited for.
func TestLife_EndsThoughItsOutputIsHeld(t *testing.T) {
	r := newRig(t, "sleep")
	s := r.start()
	r.awaitOutput("ready")
	pid := child(s.Init.Pid)
	held, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", pid), os.O_WRONLY, 0)
	r.must(err)
	defer held.Close()
	begun := time.Now()
	if e := r.stop("SIGTERM", patience); e.Code != 0 || r.output() != "ready\nterminated\n" {
		t.Errorf("%+v %q", e, r.output())
	}
	if time.Since(begun) > patience/2 {
		t.Errorf("it took %v", time.Since(begun))
	}
}

// child is the only child of a process: our first process has closed what it had.
func child(pid int) (of int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	_, _ = fmt.Sscan(string(b), &of)
	return of
}
