//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"os"
	"testing"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/monitor"
	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

// This test's own binary imports the package, as a plain build of cmd/bayplan
// does: it is large, and linked against the host's libraries.
func TestMonitor_IsAnyBinaryThatHasIt(t *testing.T) {
	if monitor.Able != "" {
		t.Fatal(monitor.Able)
	}
	r := newRig(t, "who")
	self, err := os.Open("/proc/self/exe")
	r.must(err)
	defer self.Close()
	small := built.monitor
	built.monitor, err = launch.Seal(launch.Name, self)
	r.must(err)
	defer func() { built.monitor.Close(); built.monitor = small }()
	r.cfg.User = "app"
	if e, out := r.finish(); e.Code != 0 || out != "1000 1000 [2000] / /home/app box\n" {
		t.Errorf("%+v %q", e, out)
	}
	r = newRig(t, "sleep")
	r.start()
	r.awaitOutput("ready")
	if code, out, errs := r.command(bundle.Exec{Args: []string{"probe", "say", "hello"}}, ""); code != 0 || out != "hello\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if e := r.stop("SIGTERM", patience); e.Code != 0 {
		t.Errorf("%+v", e)
	}
}
