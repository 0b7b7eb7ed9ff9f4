//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// declared is a rig with the folder as a host volume.
func declared(t *testing.T, source string, readOnly bool, args ...string) *rig {
	r := newRig(t, args...)
	r.cfg.Mounts = []bundle.Mount{{Source: source, Target: "/vol", ReadOnly: readOnly, Declared: true}}
	return r
}

func folderWith(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Whoever can write above a declared folder leads it nowhere else.
func TestDeclared_FollowsNoLink(t *testing.T) {
	elsewhere := folderWith(t, "secret")
	if err := os.Mkdir(filepath.Join(elsewhere, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := folderWith(t, "file")
	if err := os.Symlink(elsewhere, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"link", "link/", "link/.", "link/sub", "link/../link", "file"} {
		trouble := declared(t, dir+"/"+path, true, "links", "/vol").refused()
		if trouble.Kind != bundle.TroubleNode || !strings.Contains(trouble.Text, "the host volume for /vol") || !strings.Contains(trouble.Text, "a link leads to it") {
			t.Errorf("%s: %+v", path, trouble)
		}
	}
	if trouble := declared(t, dir+"/none", true, "links", "/vol").refused(); !strings.Contains(trouble.Text, "no such file") {
		t.Errorf("%+v", trouble)
	}
}

func TestDeclared_IsTheFolderItself(t *testing.T) {
	dir := folderWith(t, "mine")
	if e, out := declared(t, dir, false, "links", "/vol").finish(); e.Code != 0 || out != "mine\n" {
		t.Errorf("%+v %q", e, out)
	}
	if _, out := declared(t, dir, true, "write", "/vol/mine").finish(); out != number(unix.EROFS)+"\n" {
		t.Errorf("read-only: %q", out)
	}
	if _, out := declared(t, dir, false, "open", "/vol/mine").finish(); out != "done\n" {
		t.Errorf("%q", out)
	}
}

// What is mounted below it has a name of its own, if it is for others at all.
func TestDeclared_ComesWithoutWhatIsMountedBelow(t *testing.T) {
	dir := folderWith(t, "mine")
	below := filepath.Join(dir, "below")
	r := declared(t, dir, true, "links", "/vol/below")
	r.must(os.Mkdir(below, 0o755))
	r.must(unix.Mount("tmpfs", below, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { r.must(unix.Unmount(below, unix.MNT_DETACH)) })
	r.must(os.WriteFile(filepath.Join(below, "theirs"), nil, 0o644))
	if e, out := r.finish(); e.Code != 0 || out != "\n" && out != "" {
		t.Errorf("%+v %q", e, out)
	}
}

// The monitor holds the folder only for as long as it lives, and the machine can
// be rid of it meanwhile.
func TestDeclared_IsGoneWithTheContainer(t *testing.T) {
	dir := folderWith(t, "mine")
	r := declared(t, dir, false, "sleep")
	r.start()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	r.must(err)
	if strings.Contains(string(mounts), r.folder) {
		t.Errorf("the machine sees a mount of the container")
	}
	r.stop("SIGTERM", patience)
	r.must(os.RemoveAll(r.folder))
	if _, err := os.Stat(filepath.Join(dir, "mine")); err != nil {
		t.Errorf("with the container's folder went what is the machine's: %v", err)
	}
}
