package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	hybrid = `24 1 0:22 / /sys rw - sysfs sysfs rw
31 24 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 31 0:29 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory
34 31 0:30 / /sys/fs/cgroup/systemd rw,relatime - cgroup systemd rw,xattr,release_agent=/lib/x,name=systemd
35 31 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
36 31 0:29 /sub /elsewhere/memory rw,relatime - cgroup cgroup rw,memory
`
	unified = `24 1 0:22 / /sys rw - sysfs sysfs rw
31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
junk
`
)

func TestParse_TellsTheVersionsApart(t *testing.T) {
	h := parse(hybrid)
	want := Hierarchies{Unified: "/sys/fs/cgroup/unified", Controllers: map[string]string{
		"cpu": "/sys/fs/cgroup/cpu,cpuacct", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
		"memory": "/sys/fs/cgroup/memory", "name=systemd": "/sys/fs/cgroup/systemd",
	}}
	if d := cmp.Diff(want, h); d != "" || h.V2() {
		t.Error(d)
	}
	if dirs := h.dirs("/a/../../b"); !slices.Equal(dirs, []string{"/sys/fs/cgroup/cpu,cpuacct/b", "/sys/fs/cgroup/memory/b",
		"/sys/fs/cgroup/systemd/b", "/sys/fs/cgroup/unified/b"}) {
		t.Error(dirs)
	}
	if h := parse(unified); !h.V2() || h.Unified != "/sys/fs/cgroup" {
		t.Errorf("%+v", h)
	}
}

func TestStats_OfV2(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cpu.stat": "usage_usec 1500\nuser_usec 1000\n", "memory.current": "10000\n",
		"memory.stat": "anon 5\ninactive_file 4000\n", "pids.current": "3\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	u, err := statsV2(dir)
	if want := (Usage{CPU: 1500 * time.Microsecond, Memory: 6000, Pids: 3}); u != want || err != nil {
		t.Errorf("%+v %v", u, err)
	}
	if _, err := statsV2(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// group makes one with some below it and a process in each, and is their number.
func group(t *testing.T) (path string, commands []*exec.Cmd) {
	t.Helper()
	h, err := Mounted()
	if err != nil || os.Geteuid() != 0 {
		t.Skipf("control groups need root (%v)", err)
	}
	path = fmt.Sprintf("/bayplan-cgroup-test-%d", os.Getpid())
	t.Cleanup(func() { _, _ = Kill(path), Remove(path) })
	for _, sub := range []string{"", "a", "a/b"} {
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		commands = append(commands, cmd)
		for _, dir := range h.dirs(filepath.Join(path, sub)) {
			join(t, dir, cmd.Process.Pid)
		}
	}
	return path, commands
}

// join may be refused where a hierarchy wants more than a directory, as cpuset.
func join(t *testing.T, dir string, pid int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Logf("%s: %v", dir, err)
	}
}

func TestKill_EndsAllAndRemoveLeavesNothing(t *testing.T) {
	path, commands := group(t)
	if u, err := Stats(path); err != nil || u.Pids != 1 && u.Pids != 3 {
		t.Errorf("%+v %v", u, err)
	}
	if err := KillIf(path, func(int) bool { return false }); err != nil {
		t.Error(err)
	}
	done := make(chan error)
	go func() { done <- Kill(path) }()
	for _, cmd := range commands { // they are ours to bury, and count until then
		if err := cmd.Wait(); err == nil {
			t.Error("a process ended by itself")
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := errors.Join(Kill(path), Remove(path)); err != nil {
			t.Fatal(err)
		}
		if names, err := List("/"); slices.Contains(names, filepath.Base(path)) || err != nil {
			t.Errorf("it is still there (%v)", err)
		}
	}
	if _, err := Stats(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if n, err := OOMKills(path); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestClear_EndsWhatRunsBelowToo(t *testing.T) {
	path, commands := group(t)
	h, err := Mounted()
	if err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(h.dirs(path)[0], "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	join(t, below, commands[0].Process.Pid)
	done := make(chan error)
	go func() { done <- Clear(path) }()
	for _, cmd := range commands {
		if err := cmd.Wait(); err == nil {
			t.Error("a process ended by itself")
		}
	}
	if err := errors.Join(<-done, Clear(path)); err != nil {
		t.Fatal(err)
	}
	if names, err := List("/"); slices.Contains(names, filepath.Base(path)) || err != nil {
		t.Errorf("it is still there (%v)", err)
	}
	if err := Clear("/"); !errors.Is(err, errRoot) {
		t.Errorf("the root: %v", err)
	}
}

func TestKillIf_EndsOnlyWhatFits(t *testing.T) {
	path, commands := group(t)
	mine := commands[0].Process.Pid
	if err := KillIf(path, func(pid int) bool { return pid == mine }); err != nil {
		t.Fatal(err)
	}
	if err := commands[0].Wait(); err == nil {
		t.Error("it ended by itself")
	}
	if names, err := List(path); !slices.Equal(names, []string{"a"}) || err != nil {
		t.Error(names, err)
	}
	if err := commands[1].Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another ended: %v", err)
	}
}

func TestRemove_NeverTheRoot(t *testing.T) {
	if _, err := Mounted(); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{"", "/", "/../..", "."} {
		if err := Remove(path); err == nil {
			t.Errorf("%q was removed", path)
		}
		if err := Kill(path); err == nil {
			t.Errorf("%q was killed", path)
		}
	}
}

func BenchmarkStats(b *testing.B) {
	h, err := Mounted()
	if err != nil {
		b.Skip(err)
	}
	path := fmt.Sprintf("/bayplan-cgroup-bench-%d", os.Getpid())
	for _, dir := range h.dirs(path) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			b.Skip(err)
		}
	}
	defer Remove(path)
	for b.Loop() {
		if _, err := Stats(path); err != nil {
			b.Fatal(err)
		}
	}
}

// Who ends a group makes it stand still; were it killed then, the next one ends it
// all the same.
func TestKill_EndsWhatStandsStill(t *testing.T) {
	h, err := Mounted()
	if err != nil || h.Controllers["freezer"] == "" {
		t.Skip("there is no freezer of v1", err)
	}
	path, commands := group(t)
	h.hold(path) // and never lets go
	if b, err := os.ReadFile(h.in("freezer", path) + "/freezer.state"); err != nil || strings.TrimSpace(string(b)) != "FROZEN" {
		t.Fatalf("%q, %v", b, err)
	}
	done := make(chan error)
	go func() { done <- Kill(path) }()
	for _, cmd := range commands {
		if err := cmd.Wait(); err == nil {
			t.Error("a process ended by itself")
		}
	}
	if err := errors.Join(<-done, Remove(path)); err != nil {
		t.Fatal(err)
	}
}
