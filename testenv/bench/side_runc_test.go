package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// runcSide is runc with a conmon beside each container, as podman drives them,
// without podman. The image is not mounted for each container, which would cost
// it more: they share one folder.
type runcSide struct {
	b *testing.B
	// program is runc's path.
	program string
	// dir holds a bundle for each container, and the state of both programs.
	dir string
}

// runcMissing says why there is no such side; "" is that there is one.
func runcMissing() string {
	for _, name := range []string{"runc", "conmon"} {
		if _, err := exec.LookPath(name); err != nil {
			return "no " + name
		}
	}
	return ""
}

// newRunc takes a program for the root of its containers, where it stands in it,
// and what it is to do.
func newRunc(b *testing.B, root string, args ...string) *runcSide {
	b.Helper()
	program, err := exec.LookPath("runc")
	if err != nil {
		b.Fatal(err)
	}
	s := &runcSide{b: b, program: program, dir: b.TempDir()}
	b.Cleanup(s.clean)
	for i := range inTurn {
		if err := s.bundle(i, root, args); err != nil {
			b.Fatal(err)
		}
	}
	for _, dir := range []string{"exits", "sockets"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	// What a conmon leaves behind when it goes into the background is ours: so
	// its processor time is known.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
	return s
}

func (s *runcSide) path(i int) string { return filepath.Join(s.dir, "bundles", s.name(i)) }

func (s *runcSide) name(i int) string { return fmt.Sprintf("bench-%d-%d", os.Getpid(), i) }

func (s *runcSide) group() string { return "/bayplan-bench-" + strconv.Itoa(os.Getpid()) }

func (s *runcSide) bundle(i int, root string, args []string) error {
	if err := os.MkdirAll(s.path(i), 0o700); err != nil {
		return err
	}
	spec, err := s.spec(i, root, args)
	if err != nil {
		return err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.path(i), "config.json"), text, 0o600)
}

// spec is what "runc spec" writes, on the host's network, with Docker's
// capabilities and seccomp profile and the limits of every side.
func (s *runcSide) spec(i int, root string, args []string) (*specs.Spec, error) {
	caps := []string{
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
		"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
	memory, pids, quota, period := int64(memoryLimit), int64(pidsLimit), int64(100_000), uint64(100_000)
	spec := &specs.Spec{
		Version: "1.0.2", Hostname: "bench",
		Root: &specs.Root{Path: root},
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: []string{"PATH=/"}, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Mounts: mounts(),
		Linux: &specs.Linux{
			Namespaces:  []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}},
			CgroupsPath: s.group() + "/" + s.name(i),
			Resources: &specs.LinuxResources{
				Memory: &specs.LinuxMemory{Limit: &memory}, Pids: &specs.LinuxPids{Limit: &pids},
				CPU: &specs.LinuxCPU{Quota: &quota, Period: &period},
			},
			MaskedPaths:   []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	var err error
	spec.Linux.Seccomp, err = seccomp.GetDefaultProfile(spec)
	return spec, err
}

// mounts are those of "runc spec", with the host's /sys.
func mounts() []specs.Mount {
	quiet := []string{"nosuid", "noexec", "nodev"}
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: quiet},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: append(quiet, "mode=1777", "size=65536k")},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: quiet},
		{Destination: "/sys", Type: "none", Source: "/sys", Options: append(quiet, "bind", "ro")},
	}
}

// start has conmon create the container, and then starts its program.
func (s *runcSide) start(ctx context.Context, i int) error {
	created, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer created.Close()
	at := s.path(i)
	cmd := exec.CommandContext(ctx, "conmon", "--cid", s.name(i), "--cuuid", s.name(i), "--name", s.name(i),
		"--runtime", s.program, "--runtime-arg", "--root="+s.state(), "--bundle", at,
		"--container-pidfile", filepath.Join(at, "pid"), "--conmon-pidfile", filepath.Join(at, "conmon.pid"),
		"--exit-dir", filepath.Join(s.dir, "exits"), "--socket-dir-path", filepath.Join(s.dir, "sockets"),
		"--log-path", "k8s-file:"+filepath.Join(at, "log"))
	cmd.Env = append(os.Environ(), "_OCI_SYNCPIPE=3")
	cmd.ExtraFiles = []*os.File{told}
	err = quietly(cmd)
	_ = told.Close()
	if err != nil {
		return err
	}
	var answer struct {
		Pid     int
		Message string
	}
	if err := json.NewDecoder(created).Decode(&answer); err != nil || answer.Pid <= 0 {
		return fmt.Errorf("conmon: %s (%v)", answer.Message, err)
	}
	return s.runc(ctx, "start", s.name(i))
}

func (s *runcSide) state() string { return filepath.Join(s.dir, "runc") }

func (s *runcSide) runc(ctx context.Context, args ...string) error {
	return quietly(exec.CommandContext(ctx, s.program, append([]string{"--root", s.state()}, args...)...))
}

// quietly runs a command whose output is of interest only if it fails.
func quietly(cmd *exec.Cmd) error {
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd.Args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// end kills the program itself, which is less than what runc would do.
func (s *runcSide) end(ctx context.Context, i int) error {
	pid, err1 := pidIn(filepath.Join(s.path(i), "pid"))
	monitor, err2 := pidIn(filepath.Join(s.path(i), "conmon.pid"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	if _, err := unix.Wait4(monitor, nil, 0, nil); err != nil {
		return err
	}
	if err := errors.Join(os.Remove(filepath.Join(s.path(i), "pid")), os.Remove(filepath.Join(s.path(i), "conmon.pid"))); err != nil {
		return err
	}
	return s.runc(ctx, "delete", s.name(i))
}

func pidIn(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// clean ends what a benchmark that failed has left.
func (s *runcSide) clean() {
	for i := range inTurn {
		if _, err := os.Stat(filepath.Join(s.path(i), "pid")); err == nil {
			if err := s.runc(context.Background(), "delete", "--force", s.name(i)); err != nil {
				s.b.Error(err)
			}
		}
	}
	if err := cgroup.Remove(s.group()); err != nil {
		s.b.Error(err)
	}
}

func (s *runcSide) used() time.Duration { return ourTime() }
