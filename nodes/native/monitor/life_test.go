//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

func TestLife_RunsToItsEnd(t *testing.T) {
	for _, init := range []bool{true, false} {
		r := newRig(t, "exit", "7")
		r.cfg.Init = init
		if e, _ := r.finish(); e.Code != 7 || e.Life != 1 || e.OOM {
			t.Errorf("init %v: %+v", init, e)
		}
	}
}

func TestLife_StopsBySignal(t *testing.T) {
	for _, init := range []bool{true, false} {
		r := newRig(t, "sleep")
		r.cfg.Init = init
		r.start()
		r.awaitOutput("ready")
		if e := r.stop("SIGTERM", patience); e.Code != 0 || r.output() != "ready\nterminated\n" {
			t.Errorf("init %v: %+v %q", init, e, r.output())
		}
	}
}

func TestLife_KilledAfterItsGrace(t *testing.T) {
	r := newRig(t, "ignore")
	r.start()
	r.awaitOutput("ready")
	if e := r.stop("TERM", 50*time.Millisecond); e.Code != 137 || e.OOM {
		t.Errorf("%+v", e)
	}
}

func TestLife_WaitIsAnsweredAtTheEnd(t *testing.T) {
	r := newRig(t, "sleep")
	s := r.start()
	c := r.ask(bundle.Request{Op: bundle.OpWait})
	r.awaitOutput("ready")
	r.stop("SIGTERM", patience)
	if e := r.exit(c); e.Life != s.Life || e.At.Before(s.At) {
		t.Errorf("%+v after %+v", e, s)
	}
}
