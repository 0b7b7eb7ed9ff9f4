package quota

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/quota/quotatest"
)

func TestStructs_AreTheKernels(t *testing.T) {
	if a, q := unsafe.Sizeof(fsxattr{}), unsafe.Sizeof(diskQuota{}); a != 28 || q != 112 {
		t.Errorf("%d and %d bytes", a, q)
	}
}

func TestOffered_OnlyWhereItIsEnforced(t *testing.T) {
	if err := Offered(quotatest.Mount(t, "prjquota")); err != nil {
		t.Error(err)
	}
	if err := Offered(quotatest.Mount(t, "noquota")); !errors.Is(err, ErrNone) {
		t.Errorf("without prjquota: %v", err)
	}
}

func TestOffered_NotWhereThereIsNoDisk(t *testing.T) {
	if err := Offered("/proc"); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
	if err := Bound("/proc/tty", 0); err != nil {
		t.Errorf("to have no bound where there is none: %v", err)
	}
	if err := Bound("/proc/tty", 1); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
	if err := Offered("/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// volume is a folder with 1 MiB in it.
func volume(t *testing.T, dir, name string) string {
	t.Helper()
	at := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Join(at, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(filepath.Join(at, "sub", "before"), make([]byte, 1<<20), 0o644))
	must(t, os.Symlink("/etc/passwd", filepath.Join(at, "link")))
	must(t, unix.Mkfifo(filepath.Join(at, "fifo"), 0o644))
	return at
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// room is how much could be written, up to 16 MiB, by one who is bound.
func room(t *testing.T, dir string) int {
	t.Helper()
	path := filepath.Join(dir, "sub", "filling")
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), writerEnv+"=1")
	out, err := cmd.CombinedOutput()
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.Remove(path))
	if full := info.Size() < 16<<20; full != strings.Contains(string(out), unix.EDQUOT.Error()) {
		t.Errorf("after %d bytes: %s", info.Size(), out)
	}
	return int(info.Size())
}

const writerEnv = "BAYPLAN_TEST_WRITER"

// Root is bound by no quota, unless it lacks a capability as in a container.
func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) == "" {
		os.Exit(m.Run())
	}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	runtime.LockOSThread() // capabilities are a thread's
	var caps [2]unix.CapUserData
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	must(unix.Capget(&head, &caps[0]))
	caps[0].Effective &^= 1 << unix.CAP_SYS_RESOURCE
	must(unix.Capset(&head, &caps[0]))
	f, err := os.Create(os.Args[1])
	must(err)
	for range 16 {
		if _, err := f.Write(bytes.Repeat([]byte{1}, 1<<20)); err != nil {
			os.Stdout.WriteString(err.Error())
			break
		}
	}
}

func TestBound_HoldsAndChanges(t *testing.T) {
	dir := quotatest.Mount(t, "prjquota")
	at, other := volume(t, dir, "data"), volume(t, dir, "other")
	must(t, Bound(at, 4<<20))
	if got := room(t, at); got == 0 || got > 3<<20 {
		t.Errorf("with 1 of 4 MiB taken, %d bytes were written", got)
	}
	if got := room(t, other); got != 16<<20 {
		t.Errorf("another folder takes %d bytes", got)
	}
	must(t, Bound(at, 9<<20))
	if got := room(t, at); got < 7<<20 || got > 8<<20 {
		t.Errorf("after it grew to 9 MiB, %d bytes were written", got)
	}
	must(t, Bound(at, 1<<19))
	if got := room(t, at); got != 0 {
		t.Errorf("with less than it has, %d bytes were written", got)
	}
	u, err := Of(at)
	if err != nil || u.Limit != 1<<19 || u.Used < 1<<20 || u.Used > 2<<20 {
		t.Errorf("%+v, %v", u, err)
	}
	must(t, Bound(at, 0))
	if got := room(t, at); got != 16<<20 {
		t.Errorf("without a bound it takes %d bytes", got)
	}
}

func TestBound_EachFolderHasItsOwn(t *testing.T) {
	dir := quotatest.Mount(t, "prjquota")
	seen := map[uint32]bool{}
	for _, name := range []string{"a", "b", "c"} {
		at := volume(t, dir, name)
		must(t, Bound(at, 4<<20))
		f, err := openDir(at)
		must(t, err)
		project, err := ownProject(f, at)
		must(t, errors.Join(err, f.Close()))
		if project < firstProject || seen[project] {
			t.Errorf("%s has project %d", name, project)
		}
		seen[project] = true
	}
	// A folder that is made again where one was has nothing of the former's.
	must(t, os.RemoveAll(filepath.Join(dir, "a")))
	at := volume(t, dir, "a")
	must(t, Bound(at, 0))
	if u, err := Of(at); err != nil || u != (Usage{}) {
		t.Errorf("%+v, %v", u, err)
	}
}

// What an operator bounds as a whole is the operator's.
func TestBound_LeavesTheTreesOwnProjectAlone(t *testing.T) {
	dir := quotatest.Mount(t, "prjquota")
	tree := filepath.Join(dir, "tree")
	must(t, os.Mkdir(tree, 0o755))
	must(t, Bound(tree, 8<<20))
	at := volume(t, tree, "data")
	must(t, Bound(at, 0))
	if u, err := Of(tree); err != nil || u.Limit != 8<<20 || u.Used < 1<<20 {
		t.Errorf("the tree has %+v, %v", u, err)
	}
	must(t, Bound(at, 2<<20))
	if got := room(t, at); got > 1<<20 {
		t.Errorf("%d bytes were written", got)
	}
	if u, err := Of(tree); err != nil || u.Limit != 8<<20 {
		t.Errorf("the tree has %+v, %v", u, err)
	}
}

// A crash half-way leaves a folder that is bounded by the next.
func TestBound_AgainAfterHalfOfIt(t *testing.T) {
	dir := quotatest.Mount(t, "prjquota")
	at := volume(t, dir, "data")
	f, err := openDir(at)
	must(t, err)
	project, err := free(f, at)
	must(t, errors.Join(err, limit(f, project, 4<<20), give(at, project), f.Close()))
	must(t, Bound(at, 4<<20))
	if got := room(t, at); got == 0 || got > 3<<20 {
		t.Errorf("%d bytes were written", got)
	}
}

// Before Linux 5.14 the device is asked.
func TestDevice_AnswersAlike(t *testing.T) {
	f, err := openDir(quotatest.Mount(t, "prjquota"))
	must(t, err)
	defer f.Close()
	var state [128]byte
	must(t, quotactlDevice(f, cmdState, 0, unsafe.Pointer(&state)))
	if device, err := deviceOf(f); err != nil || !strings.HasPrefix(device, "/dev/loop") {
		t.Errorf("%s, %v", device, err)
	}
}
