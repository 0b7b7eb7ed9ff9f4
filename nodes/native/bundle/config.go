package bundle

import (
	"time"
)

// Config is a container, complete: the monitor adds nothing of its own. Paths
// are absolute, amounts in bytes and in the kernel's units.
type Config struct {
	// ID is the order's; Cluster and Node say whose it is. Slot, Digest and Ports
	// are for the agent, which finds its containers again by them.
	ID      string         `json:"id"`
	Cluster string         `json:"cluster"`
	Node    string         `json:"node"`
	Slot    string         `json:"slot"`
	Digest  string         `json:"digest"`
	Ports   map[string]int `json:"ports,omitempty"`
	// Labels are the workload's own and, over them, what the container is of:
	// workload, slot, digest and commit. They are for people and their tools.
	Labels map[string]string `json:"labels,omitempty"`

	// Image is the digest of the image whose layers these are.
	Image string `json:"image,omitempty"`
	// Archive is the key of the archive that is one of the layers; the agent's.
	Archive string `json:"archive,omitempty"`
	// Base is a folder that lies below all layers: it has a place for what is mounted
	// in every container. Empty is none.
	Base string `json:"base,omitempty"`
	// Layers are unpacked layers, the lowest first. They are shared and never
	// written to.
	Layers []string `json:"layers"`
	// ReadOnly makes the root read-only: there is no layer of its own.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Ground is mounted before all else: what is seen of the machine.
	Ground []Mount `json:"ground,omitempty"`
	Mounts []Mount `json:"mounts,omitempty"`
	// Files are small files of the container's own, by where it sees them. Each life
	// has them anew, in memory: they are read-only where the root is.
	Files map[string]string `json:"files,omitempty"`

	// Args is the program with its arguments, found by the container's PATH.
	Args []string `json:"args"`
	// Env is "NAME=value" in order, the last of a name counts.
	Env []string `json:"env,omitempty"`
	// Workdir is made where it is missing.
	Workdir string `json:"workdir,omitempty"`
	// User is "", "name", "uid", "name:group" or "uid:gid", looked up in the
	// container's own files.
	User string `json:"user,omitempty"`
	// Init runs Args under a first process that passes signals on and reaps.
	Init bool `json:"init,omitempty"`

	Hostname string `json:"hostname,omitempty"`
	// Namespace is the path of the network namespace to live in; empty is the
	// host's.
	Namespace string `json:"namespace,omitempty"`
	// Address is where the host reaches the container's own ports; the agent's.
	Address string `json:"address,omitempty"`

	// Cgroup is the container's own group, a path below each hierarchy's root.
	Cgroup    string    `json:"cgroup"`
	Resources Resources `json:"resources"`

	Log Log `json:"log"`

	// Lease bounds its life; nil does not.
	Lease *Lease `json:"lease,omitempty"`
}

// Lease is until when a program may run: its monitor ends it then, whether an agent
// lives or not. All instants are on CLOCK_BOOTTIME.
type Lease struct {
	// Until is what is known as it is written. File says whether it is longer by now:
	// a line of "BOOT NANOSECONDS", of the machine's run that Boot names.
	Until time.Duration `json:"until"`
	File  string        `json:"file"`
	Boot  string        `json:"boot"`
	// Signal and Grace are how the program is ended.
	Signal string        `json:"signal"`
	Grace  time.Duration `json:"grace"`
}

// Mount binds a file or folder of the host into the container, or makes a tmpfs.
type Mount struct {
	// Source is empty for a tmpfs.
	Source   string `json:"source,omitempty"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Declared is a Source that others may write to and beside: no link is
	// followed on the way to it, and it comes without what is mounted below it.
	Declared bool `json:"declared,omitempty"`
	// Fill makes a Source that is missing of what the image has at Target.
	Fill bool `json:"fill,omitempty"`
	// Size bounds a tmpfs; zero is half of the memory. It also bounds what is
	// filled, by a quota that the file system must offer; zero is no bound.
	Size int64 `json:"size,omitempty"`
}

// Resources are limits and weights; zero is none.
type Resources struct {
	// CPUShares is relative, 1024 a core; CPUQuota is microseconds in each
	// CPUPeriod.
	CPUShares uint64 `json:"cpuShares,omitempty"`
	CPUQuota  int64  `json:"cpuQuota,omitempty"`
	CPUPeriod uint64 `json:"cpuPeriod,omitempty"`
	// Memory is the limit, swap included; MemoryReservation is kept under
	// pressure.
	Memory            int64 `json:"memory,omitempty"`
	MemoryReservation int64 `json:"memoryReservation,omitempty"`
	// Pids is how many tasks there may be.
	Pids int64 `json:"pids,omitempty"`
	// Files is how many files each process may have open, as far as the machine
	// allows.
	Files uint64 `json:"files,omitempty"`
}

// Log bounds what is kept of the output: so many files of so many bytes.
type Log struct {
	FileSize int64 `json:"fileSize"`
	Files    int   `json:"files"`
}

// BootFile is where the kernel says what it calls this run of the machine.
const BootFile = "/proc/sys/kernel/random/boot_id"

// Process is a process that is never mistaken for another of the same pid.
type Process struct {
	Pid int `json:"pid"`
	// Start is field 22 of /proc/PID/stat: ticks since boot.
	Start uint64 `json:"start"`
}

// Started tells of the present life.
type Started struct {
	// Life counts the container's lives from 1.
	Life int `json:"life"`
	// Boot is the kernel's word for the machine's run that the pids are of; empty is
	// not known.
	Boot    string    `json:"boot,omitempty"`
	Monitor Process   `json:"monitor"`
	Init    Process   `json:"init"`
	At      time.Time `json:"at"`
}

// Exit tells how a life ended.
type Exit struct {
	Life int       `json:"life"`
	At   time.Time `json:"at"`
	// Code is the program's, or 128 and the signal that ended it.
	Code int `json:"code"`
	// OOM is set where the program itself was killed for memory; OOMKills counts
	// every process of the container that was.
	OOM      bool `json:"oom,omitempty"`
	OOMKills int  `json:"oomKills,omitempty"`
	// Lapsed is whether the monitor ended it, since its lease was over.
	Lapsed bool `json:"lapsed,omitempty"`
	// Lost is set by the agent where the monitor was killed, so that nobody saw
	// how the program ended.
	Lost bool `json:"lost,omitempty"`
}

// Trouble is why a container could not be started, in the monitor's words.
type Trouble struct {
	Kind TroubleKind `json:"kind"`
	Text string      `json:"text"`
}

// TroubleKind sorts troubles by who can mend them.
type TroubleKind string

// The kinds of trouble.
const (
	// TroubleProgram is a program that is missing, not allowed or no program.
	TroubleProgram TroubleKind = "program"
	// TroubleUser is a user or group that the image does not know.
	TroubleUser TroubleKind = "user"
	// TroubleConfig is a request that cannot be met as it is written.
	TroubleConfig TroubleKind = "config"
	// TroubleNode is the machine's: no cgroup, no overlay, a full disk.
	TroubleNode TroubleKind = "node"
)
