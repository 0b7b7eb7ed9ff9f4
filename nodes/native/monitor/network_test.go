//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// netns makes a network namespace that the path stands for.
func netns(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
	return path
}

func TestNetwork_OfItsOwn(t *testing.T) {
	r := newRig(t, "each", "links /sys/class/net", "raw", "packet", "read /proc/sys/net/ipv4/ip_unprivileged_port_start",
		"write /sys/class/net/lo/mtu", "mount", "status CapBnd")
	r.cfg.Namespace = netns(t)
	_, out := r.finish()
	want := []string{"", "done", "done", "0", number(unix.EROFS), number(unix.EPERM), "CapBnd 00000000a00425fb", ""}
	got := strings.Split(out, ";;\n")
	if !strings.Contains(got[0], "lo") || strings.Contains(got[0], "eth") {
		t.Errorf("interfaces: %q", got[0])
	}
	for i := range min(len(got), len(want)) {
		if i > 0 && got[i] != want[i] {
			t.Errorf("%d: %q, want %q", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%q", out)
	}
}

func TestNetwork_CommandsAreInIt(t *testing.T) {
	r := newRig(t, "sleep")
	r.cfg.Namespace = netns(t)
	r.start()
	r.awaitOutput("ready")
	if _, out, _ := r.command(bundle.Exec{Args: []string{"probe", "read", "/proc/net/dev"}}, ""); strings.Contains(out, "eth0") || !strings.Contains(out, "lo:") {
		t.Errorf("%q", out)
	}
	r.stop("SIGTERM", patience)
}

func TestNetwork_ThatIsNotThere(t *testing.T) {
	r := newRig(t, "exit", "0")
	r.cfg.Namespace = "/nowhere"
	if got := r.refused(); !strings.Contains(got.Text, "/nowhere") {
		t.Errorf("%+v", got)
	}
}
