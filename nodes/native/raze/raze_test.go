package raze_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes/native/raze"
)

// razeEnv makes this program one that removes a tree with few descriptors.
const razeEnv = "BAYPLAN_TEST_RAZE"

func TestMain(m *testing.M) {
	path := os.Getenv(razeEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 48, Max: 48})
	if err := errors.Join(err, raze.All(path)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// poorly removes path in a process that has 48 descriptors.
func poorly(t *testing.T, path string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), razeEnv+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	isGone(t, path)
}

func isGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
	}
}

// dig makes folders, each in the one before and with a file in every hundredth.
func dig(t *testing.T, path string, levels int, name string) {
	t.Helper()
	must(t, os.MkdirAll(path, 0o755))
	at, err := unix.Open(path, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for i := range levels {
		must(t, unix.Mkdirat(at, name, 0o755))
		if i%100 == 0 {
			must(t, unix.Mknodat(at, "file", unix.S_IFREG, 0))
		}
		next, err := unix.Openat(at, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, errors.Join(err, unix.Close(at)))
		at = next
	}
	must(t, unix.Close(at))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte("kept"), 0o644))
}

func TestAll_DeepTreeTakesFewDescriptors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	dig(t, path, 60_000, "a")
	poorly(t, path)
}

func TestAll_LongNamesAndSideArms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	at := path
	for range 12 { // what is moved up has arms that are too deep in turn
		dig(t, filepath.Join(at, "arm"), 200, strings.Repeat("n", 255))
		dig(t, filepath.Join(at, "other"), 70, "b")
		at = filepath.Join(at, "1", "2", "3", "4", "5")
	}
	poorly(t, path)
}

func TestAll_WideWhereItIsDeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	deep := filepath.Join(path, strings.Repeat("d/", 40))
	for i := range 2000 {
		must(t, os.MkdirAll(filepath.Join(deep, fmt.Sprint(i), "below"), 0o755))
	}
	poorly(t, path)
}

func TestAll_LinksAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	kept, path := filepath.Join(dir, "kept", "file"), filepath.Join(dir, "tree")
	write(t, kept)
	for _, at := range []string{path, filepath.Join(path, strings.Repeat("d/", 60))} {
		must(t, os.MkdirAll(at, 0o755))
		must(t, os.Symlink(filepath.Dir(kept), filepath.Join(at, "absolute")))
		must(t, os.Symlink("../kept", filepath.Join(at, "relative")))
		must(t, os.Symlink(kept, filepath.Join(at, "tofile")))
		must(t, os.Symlink("loop", filepath.Join(at, "loop")))
		must(t, os.Link(kept, filepath.Join(at, "hard")))
		must(t, unix.Mkfifo(filepath.Join(at, "pipe"), 0o600))
	}
	must(t, raze.All(path))
	isGone(t, path)
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(filepath.Dir(kept), link))
	must(t, raze.All(link))
	isGone(t, link)
	if b, err := os.ReadFile(kept); err != nil || string(b) != "kept" {
		t.Errorf("outside of the tree: %q, %v", b, err)
	}
}

func TestAll_WithoutPermissionBits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	write(t, filepath.Join(path, "d", "file"))
	must(t, os.Mkdir(filepath.Join(path, "d", "empty"), 0))
	must(t, os.Chmod(filepath.Join(path, "d", "file"), 0))
	if os.Geteuid() == 0 { // who is not root can read no such folder
		must(t, os.Chmod(filepath.Join(path, "d"), 0))
		must(t, os.Chmod(path, 0))
	}
	must(t, raze.All(path))
	isGone(t, path)
}

func TestAll_NothingIsThere(t *testing.T) {
	dir := t.TempDir()
	must(t, raze.All(filepath.Join(dir, "none")))
	must(t, raze.All(filepath.Join(dir, "none", "below")))
	for _, path := range []string{"", ".", "..", "/", dir + "/../.."} {
		if filepath.Base(filepath.Clean(path)) != path && path != "" {
			continue // it is a name like any other
		}
		if err := raze.All(path); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// The attributes of chattr +i and +a.
const (
	immutable = unix.STATX_ATTR_IMMUTABLE
	appended  = unix.STATX_ATTR_APPEND
)

// mark gives a file one of the attributes, or takes both from it.
func mark(path string, attribute int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags&^(immutable|appended)|attribute)
}

func TestAll_ImmutableIsToldAndAllElseGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	stuck := map[string]int{
		filepath.Join(path, "immutable"):                                        immutable,
		filepath.Join(path, "appended"):                                         appended,
		filepath.Join(path, strings.Repeat("d/", 40), strings.Repeat("n", 255)): immutable,
		filepath.Join(path, "closed"):                                           immutable,
		filepath.Join(path, strings.Repeat("e/", 23), "low"):                    immutable, // as deep as can be reached
	}
	free := func() {
		_ = filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error { return errors.Join(err, mark(p, 0)) })
	}
	t.Cleanup(free)
	for p, attribute := range stuck {
		if name := filepath.Base(p); name == "closed" || name == "low" {
			write(t, filepath.Join(p, "file"))
		} else {
			write(t, p)
		}
		write(t, filepath.Join(path, "d", filepath.Base(p), "goes"))
		if err := mark(p, attribute); err != nil {
			t.Skipf("this file system or user sets no attributes: %v", err)
		}
	}
	err := raze.All(path)
	if !errors.Is(err, unix.EPERM) || !strings.HasSuffix(err.Error(), "more)") || len(err.Error()) > len(path)+200 {
		t.Errorf("got %v", err)
	}
	if goes, _ := filepath.Glob(filepath.Join(path, "d", "*", "goes")); len(goes) > 0 {
		t.Errorf("%q stay", goes)
	}
	free()
	must(t, raze.All(path))
	isGone(t, path)
}

func TestAll_MountsAreNotEntered(t *testing.T) {
	dir := t.TempDir()
	kept, path := filepath.Join(dir, "kept", "file"), filepath.Join(dir, "tree")
	write(t, kept)
	write(t, filepath.Join(path, "d", "m", "under"))
	on := filepath.Join(path, "d", "m")
	if err := unix.Mount(filepath.Dir(kept), on, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mounts need root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(on, unix.MNT_DETACH) })
	if err := raze.All(path); !errors.Is(err, unix.EBUSY) {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(kept); err != nil || string(b) != "kept" {
		t.Errorf("on the mount: %q, %v", b, err)
	}
	must(t, unix.Unmount(on, 0))
	must(t, raze.All(path))
	isGone(t, path)
}

// TestAll_LeavesWhatRemoveAllDoes makes any small tree twice, and removes any
// path of it in both ways.
func TestAll_LeavesWhatRemoveAllDoes(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
		defer os.RemoveAll(one)
		defer os.RemoveAll(two)
		paths := rapid.SliceOfN(rapid.StringMatching(`([ab.]c?/){0,30}[abd]`), 1, 6).Draw(rt, "paths")
		kinds := rapid.SliceOfN(rapid.IntRange(0, 3), len(paths), len(paths)).Draw(rt, "kinds")
		for _, root := range []string{one, two} {
			for i, p := range paths {
				grow(filepath.Join(root, p), kinds[i])
			}
		}
		at := rapid.SampledFrom(append(paths, "", "a", "none")).Draw(rt, "removed")
		mine := raze.All(filepath.Join(one, at))
		if parent, err := os.Lstat(filepath.Dir(filepath.Join(two, at))); err == nil && parent.Mode()&fs.ModeNamedPipe != 0 {
			if mine == nil {
				rt.Fatal("removed from what is no folder")
			}
			return // RemoveAll would wait for who writes to it
		}
		theirs := os.RemoveAll(filepath.Join(two, at))
		if (mine == nil) != (theirs == nil) {
			rt.Fatalf("got %v, RemoveAll %v", mine, theirs)
		}
		if a, b := tree(one), tree(two); a != b {
			rt.Fatalf("left\n%s\nRemoveAll\n%s", a, b)
		}
	})
}

// grow makes an entry, if what is there already lets it.
func grow(path string, kind int) {
	_ = os.MkdirAll(filepath.Dir(path), 0o755)
	switch kind {
	case 0:
		_ = os.Mkdir(path, 0o700)
	case 1:
		_ = unix.Mknod(path, unix.S_IFREG, 0)
	case 2:
		_ = os.Symlink(".", path)
	case 3:
		_ = unix.Mkfifo(path, 0o600)
	}
}

func tree(root string) string {
	var b strings.Builder
	_ = filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err == nil {
			fmt.Fprintln(&b, strings.TrimPrefix(p, root), e.Type())
		}
		return nil
	})
	return b.String()
}
