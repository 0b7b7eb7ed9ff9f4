//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// spec is the container in libcontainer's words; left are the mounts that are not
// in its root yet.
func spec(folder string, cfg *bundle.Config, left []bundle.Mount) (*configs.Config, error) {
	mounts, err := mounts(left)
	if err != nil {
		return nil, err
	}
	oom := oomScore()
	capabilities := capabilities(cfg)
	return &configs.Config{
		Rootfs:          filepath.Join(folder, rootDir),
		Readonlyfs:      cfg.ReadOnly,
		Hostname:        cfg.Hostname,
		Namespaces:      namespaces(cfg),
		Mounts:          mounts,
		Cgroups:         group(cfg),
		Capabilities:    &configs.Capabilities{Bounding: capabilities, Effective: capabilities, Permitted: capabilities},
		MaskPaths:       masked,
		ReadonlyPaths:   readOnly,
		Sysctl:          sysctls(cfg),
		Rlimits:         limits(cfg.Resources.Files),
		OomScoreAdj:     &oom,
		NoNewPrivileges: true,
		// For the time until the container's own first program asks for it.
		ParentDeathSignal: int(unix.SIGKILL),
		Version:           "1.0.2",
	}, nil
}

func namespaces(cfg *bundle.Config) configs.Namespaces {
	all := configs.Namespaces{
		{Type: configs.NEWNS}, {Type: configs.NEWPID}, {Type: configs.NEWIPC},
		{Type: configs.NEWUTS}, {Type: configs.NEWCGROUP},
	}
	if cfg.Namespace != "" {
		all = append(all, configs.Namespace{Type: configs.NEWNET, Path: cfg.Namespace})
	}
	return all
}

// capabilities are Docker's without mknod, for which there is no use where no
// device may be opened; on the host's network also without raw sockets, which
// there would read and forge what is other containers'.
func capabilities(cfg *bundle.Config) []string {
	all := []string{
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
		"CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
	if cfg.Namespace != "" {
		all = append(all, "CAP_NET_RAW")
	}
	return all
}

// What is masked and read-only is what the OCI's default says.
var (
	masked = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
		"/sys/devices/virtual/powercap",
	}
	readOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// sysctls are of a network that is the container's own: there low ports and pings
// are nobody else's.
func sysctls(cfg *bundle.Config) map[string]string {
	if cfg.Namespace == "" {
		return nil
	}
	return map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
}

// limits are what was asked for files, or Docker's, as far as this process may
// give them, and no core files: where they go is decided for the whole host.
func limits(files uint64) []configs.Rlimit {
	if files == 0 {
		files = 1 << 20
	}
	all := []configs.Rlimit{{Type: unix.RLIMIT_CORE}}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err == nil {
		most := min(l.Max, files)
		all = append(all, configs.Rlimit{Type: unix.RLIMIT_NOFILE, Soft: most, Hard: most})
	}
	return all
}

// oomScore keeps from the container what protects the agent. More than zero is left
// as it is, which not everybody may lower.
func oomScore() int {
	b, _ := os.ReadFile("/proc/self/oom_score_adj")
	own, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return max(own, 0)
}

func group(cfg *bundle.Config) *cgroups.Cgroup {
	r := &cgroups.Resources{
		CpuShares:         cfg.Resources.CPUShares,
		CpuQuota:          cfg.Resources.CPUQuota,
		CpuPeriod:         cfg.Resources.CPUPeriod,
		Memory:            cfg.Resources.Memory,
		MemoryReservation: cfg.Resources.MemoryReservation,
		Devices:           rules(),
	}
	if cfg.Resources.Pids > 0 {
		r.PidsLimit = &cfg.Resources.Pids
	}
	if cfg.Resources.Memory > 0 && swapCounts() {
		r.MemorySwap = cfg.Resources.Memory
	}
	if h, err := cgroup.Mounted(); err == nil && h.V2() {
		r.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(r.CpuShares)
	}
	return &cgroups.Cgroup{Path: filepath.Join("/", cfg.Cgroup), Resources: r}
}

// swapCounts is whether the kernel accounts swap to a group; v2 always does where
// there is any.
func swapCounts() bool {
	h, err := cgroup.Mounted()
	if err != nil {
		return false
	}
	file := filepath.Join(h.Controllers["memory"], "memory.memsw.limit_in_bytes")
	_, err = os.Stat(file)
	return h.V2() || err == nil
}

// mounts are what has to be mounted from inside, and what is left.
func mounts(left []bundle.Mount) ([]*configs.Mount, error) {
	all := []*configs.Mount{
		{Source: "proc", Device: "proc", Destination: "/proc", Flags: quiet},
		{Source: "mqueue", Device: "mqueue", Destination: "/dev/mqueue", Flags: quiet},
	}
	if h, err := cgroup.Mounted(); err == nil && h.V2() {
		all = append(all, &configs.Mount{Source: "cgroup", Device: "cgroup", Destination: "/sys/fs/cgroup", Flags: quiet | unix.MS_RELATIME | unix.MS_RDONLY})
	}
	for _, m := range left {
		one, err := mount(m)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func mount(m bundle.Mount) (*configs.Mount, error) {
	if !filepath.IsAbs(m.Target) || filepath.Clean(m.Target) == "/" {
		return nil, &trouble{bundle.TroubleConfig, fmt.Errorf("a volume cannot be mounted at %q", m.Target)}
	}
	flags := unix.MS_NOSUID | unix.MS_NODEV
	if m.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if m.Source == "" {
		data := "mode=1777"
		if m.Size > 0 {
			data = fmt.Sprintf("%s,size=%d", data, m.Size)
		}
		return &configs.Mount{Source: "tmpfs", Device: "tmpfs", Destination: m.Target, Flags: flags, Data: data}, nil
	}
	if _, err := os.Stat(m.Source); err != nil {
		return nil, &trouble{bundle.TroubleConfig, fmt.Errorf("what is to be mounted at %s: %w", m.Target, err)}
	}
	return &configs.Mount{Source: m.Source, Device: "bind", Destination: m.Target, Flags: flags | unix.MS_BIND}, nil
}
