//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

func number(e unix.Errno) string { return strconv.Itoa(int(e)) }

// Every try is made by root in the container, which is the strongest there is.
func TestIsolation_TriesFromInside(t *testing.T) {
	victim := strconv.Itoa(os.Getpid())
	denied, missing, readOnly := number(unix.EPERM), number(unix.ENOENT), number(unix.EROFS)
	tries := []struct{ args, want string }{
		{"mount", denied}, {"umount /proc", denied}, {"umount /proc/sys", denied}, {"remount /proc/sys", denied}, {"remount /", denied},
		{"kill " + victim, number(unix.ESRCH)}, {"ptrace " + victim, number(unix.ESRCH)},
		{"write /proc/sys/kernel/hostname", readOnly}, {"write /proc/sys/kernel/core_pattern", readOnly},
		{"write /proc/sysrq-trigger", readOnly + "|" + missing}, {"write /proc/irq/default_smp_affinity", readOnly},
		{"write /sys/kernel/uevent_helper", readOnly + "|" + missing}, {"write /sys/power/state", readOnly},
		{"write /sys/fs/cgroup/memory/memory.limit_in_bytes", readOnly + "|" + missing}, {"write /sys/fs/cgroup/cgroup.procs", readOnly + "|" + missing},
		{"mknod", denied}, {"open /dev/mem", missing}, {"open /dev/vda", missing}, {"open /dev/kmsg", missing}, {"open /dev/fuse", missing},
		{"open /dev/null", "done"}, {"open /dev/urandom", "done"}, {"open /dev/ptmx", "done"},
		{"keyctl", denied}, {"add_key", denied}, {"unshare", denied}, {"clone", denied}, {"module", denied}, {"reboot", denied},
		{"clock", denied}, {"swapon", denied}, {"hostname", denied}, {"raw", denied}, {"packet", denied}, {"vsock", denied}, {"alg", denied},
		{"nice", number(unix.EACCES)}, {"personality", denied},
		{"read /proc/kcore", "|" + missing}, {"read /proc/keys", ""}, {"links /sys/firmware", ""},
		{"write /proc/1/exe", number(unix.ETXTBSY) + "|" + denied},
		{"status Seccomp NoNewPrivs CapInh CapAmb CapBnd", "CapInh 0000000000000000\nCapBnd 00000000a00405fb\nCapAmb 0000000000000000\nNoNewPrivs 1\nSeccomp 2"},
	}
	r := newRig(t, "each")
	r.cfg.Env = append(r.cfg.Env, "GODEBUG=containermaxprocs=0") // else Go opens files of its own
	for _, try := range tries {
		r.cfg.Args = append(r.cfg.Args, try.args)
	}
	_, out := r.finish()
	got := strings.Split(out, ";;\n")
	if len(got) != len(tries)+1 {
		t.Fatalf("%d tries, %d results: %q", len(tries), len(got)-1, out)
	}
	for i, try := range tries {
		if !slices.Contains(strings.Split(try.want, "|"), got[i]) {
			t.Errorf("%s: %q, want %q", try.args, got[i], try.want)
		}
	}
}

func TestIsolation_HasThreeDescriptors(t *testing.T) {
	const want = "0 /dev/null\n1 pipe\n2 pipe\n"
	for _, init := range []bool{true, false} {
		r := newRig(t, "fds")
		r.cfg.Init = init
		r.cfg.Env = append(r.cfg.Env, "GODEBUG=containermaxprocs=0") // else Go opens files of its own
		if _, out := r.finish(); out != want {
			t.Errorf("init %v: %q", init, out)
		}
	}
	r := newRig(t, "sleep")
	r.cfg.Env = append(r.cfg.Env, "GODEBUG=containermaxprocs=0")
	r.start()
	if code, out, _ := r.command(bundle.Exec{Args: []string{"probe", "fds"}}, ""); code != 0 || out != want {
		t.Errorf("a command: %d %q", code, out)
	}
}

func TestIsolation_OtherArchitecturesAreKilled(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("there is int $0x80 on amd64 alone")
	}
	if e, out := newRig(t, "int80").finish(); e.Code != 128+int(unix.SIGSYS) || out != "" {
		t.Errorf("%+v %q", e, out)
	}
}

func TestIsolation_SeesOnlyItself(t *testing.T) {
	if _, out := newRig(t, "pids").finish(); !regexp.MustCompile(`^1 bayplan-first\n\d+ probe\n$`).MatchString(out) {
		t.Errorf("with a first process: %q", out)
	}
	r := newRig(t, "pids")
	r.cfg.Init = false
	if _, out := r.finish(); out != "1 probe\n" {
		t.Errorf("alone: %q", out)
	}
}

func TestIsolation_SetuidGainsNothing(t *testing.T) {
	r := newRig(t, "setuid", "/vol/probe")
	dir := t.TempDir()
	b, err := os.ReadFile(filepath.Join(built.layer, "bin", "probe"))
	r.must(err)
	r.must(os.WriteFile(filepath.Join(dir, "probe"), b, 0o755))
	r.must(os.Chmod(filepath.Join(dir, "probe"), 0o755|os.ModeSetuid))
	r.must(os.Chmod(dir, 0o755))
	r.cfg.User = "app"
	r.cfg.Mounts = []bundle.Mount{{Source: dir, Target: "/vol", ReadOnly: true}}
	if _, out := r.finish(); out != "1000 1000\n" {
		t.Errorf("%q", out)
	}
}

func TestIsolation_DevicesOfVolumesAndLayersDoNotOpen(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		dir := t.TempDir()
		if os.Geteuid() == 0 {
			if err := unix.Mknod(filepath.Join(dir, "mem"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 1))); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{"/vol/mem", "/mem"} {
			r := newRig(t, "open", path)
			r.cfg.ReadOnly = readOnly
			r.cfg.Layers = append(r.cfg.Layers, dir)
			r.cfg.Mounts = []bundle.Mount{{Source: dir, Target: "/vol"}}
			if _, out := r.finish(); out != number(unix.EACCES)+"\n" && out != number(unix.EPERM)+"\n" {
				t.Errorf("read-only %v: %s: %q", readOnly, path, out)
			}
		}
	}
}

func TestIsolation_LinksOfTheImageStayInside(t *testing.T) {
	host, layer := t.TempDir(), t.TempDir()
	for name, to := range map[string]string{
		"abs": host, "rel": "../../../../../../../../../.." + host, "etc": host, "proc2": "/proc/1/root" + host,
	} {
		if err := os.Symlink(to, filepath.Join(layer, name)); err != nil {
			t.Fatal(err)
		}
	}
	vol := t.TempDir()
	if err := os.WriteFile(filepath.Join(vol, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/abs/vol", "/rel/vol", "/etc/vol"} {
		r := newRig(t, "links", at)
		r.cfg.Layers = append(r.cfg.Layers, layer)
		r.cfg.Mounts = []bundle.Mount{{Source: vol, Target: at}}
		r.cfg.Workdir = filepath.Dir(at) + "/work"
		if e, out := r.finish(); e.Code != 0 || out != "mine\n" {
			t.Errorf("%s: %+v %q", at, e, out)
		}
	}
	if all, err := os.ReadDir(host); len(all) > 0 || err != nil {
		t.Errorf("on the host there is %v, %v", all, err)
	}
}

// A volume below another goes where the other's links lead within the container,
// wherever the program made them lead in a former life.
func TestIsolation_LinksOfAVolumeStayInside(t *testing.T) {
	host, outer, inner := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(inner, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"abs": host, "rel": "../../../../../../../../../.." + host, "up": "../.."} {
		if err := os.Symlink(to, filepath.Join(outer, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, below := range []string{"/vol/abs/deep", "/vol/rel/deep", "/vol/up" + host} {
		r := newRig(t, "links", below)
		r.cfg.Mounts = []bundle.Mount{{Source: outer, Target: "/vol"}, {Source: inner, Target: below}}
		if e, out := r.finish(); e.Code != 0 || out != "mine\n" {
			t.Errorf("%s: %+v %q", below, e, out)
		}
	}
	if all, err := os.ReadDir(host); len(all) > 0 || err != nil {
		t.Errorf("on the host there is %v, %v", all, err)
	}
}

func TestIsolation_ForkBombStopsAtItsLimit(t *testing.T) {
	r := newRig(t, "bomb")
	r.cfg.Resources.Pids = 100
	if _, out := r.finish(); out != "stopped true\n" {
		t.Errorf("%q", out)
	}
}

func TestIsolation_MemoryEndsTheProgramAndIsTold(t *testing.T) {
	for _, init := range []bool{true, false} {
		r := newRig(t, "eat")
		r.cfg.Init = init
		r.cfg.Resources.Memory = 64 << 20
		if e, _ := r.finish(); e.Code != 137 || !e.OOM || e.OOMKills != 1 {
			t.Errorf("init %v: %+v", init, e)
		}
	}
}

func TestIsolation_ACommandKilledForMemoryIsNotTheProgram(t *testing.T) {
	r := newRig(t, "sleep")
	r.cfg.Resources.Memory = 64 << 20
	r.start()
	r.awaitOutput("ready")
	if code, _, errs := r.command(bundle.Exec{Args: []string{"probe", "eat"}}, ""); code != 137 {
		t.Errorf("%d %s", code, errs)
	}
	if e := r.stop("SIGTERM", patience); e.Code != 0 || e.OOM || e.OOMKills != 1 {
		t.Errorf("%+v", e)
	}
}

func TestIsolation_LimitsAreSeenFromInside(t *testing.T) {
	r := newRig(t, "read", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err != nil {
		r.cfg.Args[2] = "/sys/fs/cgroup/memory.max"
	}
	r.cfg.Resources.Memory = 96 << 20
	if _, out := r.finish(); out != fmt.Sprintln(96<<20) {
		t.Errorf("%q", out)
	}
}

func TestIsolation_ReadOnlyRoot(t *testing.T) {
	r := newRig(t, "write", "/bin/text")
	r.cfg.ReadOnly = true
	r.cfg.Mounts = []bundle.Mount{{Target: "/scratch", Size: 1 << 20}}
	if _, out := r.finish(); out != number(unix.EROFS)+"\n" {
		t.Errorf("%q", out)
	}
}

func TestIsolation_TheMonitorIsSealed(t *testing.T) {
	newRig(t) // skips
	if _, err := built.monitor.WriteAt([]byte("evil"), 0); err == nil {
		t.Error("it can be written to")
	}
	if err := built.monitor.Truncate(0); err == nil {
		t.Error("it can be cut")
	}
}

func TestFirst_BuriesTheDead(t *testing.T) {
	start := time.Now()
	if _, out := newRig(t, "orphans").finish(); out != "2\n" {
		t.Errorf("%q left after %v", out, time.Since(start))
	}
}
