package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Kind says how a workload's slots come to be.
type Kind string

// The kinds of this version.
const (
	// Service keeps Replicas slots running.
	Service Kind = "service"
	// Daemon keeps one slot running on every node that its constraints match.
	Daemon Kind = "daemon"
	// Job runs Completions slots to completion, once for each digest.
	Job Kind = "job"
	// Cron runs like a job at each instant of its Schedule.
	Cron Kind = "cron"
	// Stateful keeps Replicas slots running that each have a place, ports and
	// volumes of their own for good.
	Stateful Kind = "stateful"
)

// Kinds are all of them, as a workload's text may name them.
var Kinds = []Kind{Service, Daemon, Job, Cron, Stateful}

// Workload is one thing that a team wants to run, with every default filled
// in. It is a value: nothing in it is ever changed in place.
type Workload struct {
	// Name is "team/name", the team being the directory from the root with
	// its own slashes ("shop/web", "infra/edge/proxy"). Set by the loader.
	Name string `json:"name"`
	Kind Kind   `json:"kind"`

	// Image is the reference as written. Pinned is the same image by digest
	// ("repo@sha256:…"), empty until the server has resolved it; it is what
	// nodes run. Both are empty where the Artifact is all that runs.
	Image    string    `json:"image"`
	Pinned   string    `json:"pinned,omitempty"`
	Artifact *Artifact `json:"artifact,omitempty"`
	Java     *Java     `json:"java,omitempty"`

	// Init run one after the other to their ends before each life of the main
	// container, Sidecars as long as it does, PostStop once after its last.
	Init     []Part    `json:"init,omitempty"`
	Sidecars []Part    `json:"sidecars,omitempty"`
	PostStop *PostStop `json:"postStop,omitempty"`

	Command []string          `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	User    string            `json:"user,omitempty"`
	Workdir string            `json:"workdir,omitempty"`

	// Replicas counts the slots of a service or a stateful workload; others have
	// none to count.
	Replicas int `json:"replicas,omitempty"`
	Batch
	Timing
	Identity
	// OnLost is what follows when the node is lost that a job's attempt or a
	// stateful workload's slot is on.
	OnLost    OnLost    `json:"onLost,omitempty"`
	Resources Resources `json:"resources"`

	Network Network           `json:"network,omitempty"`
	Ports   map[string]Port   `json:"ports,omitempty"`
	Volumes map[string]Volume `json:"volumes,omitempty"`
	Tmpfs   map[string]Tmpfs  `json:"tmpfs,omitempty"`
	// ReadOnlyRoot leaves Volumes and Tmpfs alone to be written to.
	ReadOnlyRoot bool    `json:"readOnlyRoot,omitempty"`
	Health       *Health `json:"health,omitempty"`
	Restart      Restart `json:"restart,omitzero"`
	Stop         Stop    `json:"stop"`

	Constraints []Constraint   `json:"constraints,omitempty"`
	Affinity    []Affinity     `json:"affinity,omitempty"`
	Spread      []Spread       `json:"spread,omitempty"`
	Near        []Near         `json:"near,omitempty"`
	MaxPer      map[string]int `json:"maxPer,omitempty"` // slots by attribute: at most so many for each value
	Tolerates   []string       `json:"tolerates,omitempty"`
	Pool        string         `json:"pool"`
	// Priority is served in falling order, and may evict what is lower.
	Priority int `json:"priority,omitempty"`
	// Revocable work may use what is guaranteed to others and idle; it goes first
	// when they want it back.
	Revocable bool `json:"revocable,omitempty"`
	// EvictWithVolumes lets a slot that has a volume of its own be evicted too. It
	// then waits on its node, where its data is, until there is room again.
	EvictWithVolumes bool `json:"evictWithVolumes,omitempty"`
	// Gang places all of the missing slots or none.
	Gang   bool   `json:"gang,omitempty"`
	Update Update `json:"update,omitzero"`
	// After are the workloads that come before this one.
	After     []After           `json:"after,omitempty"`
	LostAfter Duration          `json:"lostAfter"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// Network is what a slot's ports are opened on.
type Network string

// The networks.
const (
	// Bridge gives each slot an address of its own; the node publishes its ports.
	Bridge Network = "bridge"
	// Host is the node's own network: a slot listens on the node's ports itself.
	Host Network = "host"
)

// Team is the part of the name before the last slash.
func (w *Workload) Team() string {
	i := strings.LastIndexByte(w.Name, '/')
	if i < 0 {
		return ""
	}
	return w.Name[:i]
}

// Resources is what each slot asks of its node: requests are reserved, limits
// are enforced. A limit of zero means none.
type Resources struct {
	CPU    CPU   `json:"cpu"`
	Memory Bytes `json:"memory"`
	// Disk and Devices are of what the node's operator set aside: the node's
	// attributes "capacity.disk" and "device.NAME" tell how much there is.
	Disk    Bytes             `json:"disk,omitempty"`
	Devices map[string]Device `json:"devices,omitempty"`
	Limit   Limits            `json:"limit"`
}

// Device is how many of a node's devices of one name a slot has for itself.
type Device struct {
	Count int `json:"count"`
	// Constraints are on the devices' own attributes, "device.NAME.ATTRIBUTE" of
	// the node.
	Constraints []Constraint `json:"constraints,omitempty"`
}

// Limits bound what a container may use; zero is unbounded.
type Limits struct {
	CPU    CPU   `json:"cpu,omitempty"`
	Memory Bytes `json:"memory,omitempty"`
	// Pids is how many tasks there may be, Files how many files each process may
	// have open.
	Pids  int `json:"pids,omitempty"`
	Files int `json:"files,omitempty"`
}

// Port is a port of the container and where the node publishes it.
type Port struct {
	// Container is the port that the program listens on; zero on the host's
	// network, where that is the node's port.
	Container int `json:"container,omitempty"`
	// Host is the node's port; zero lets the scheduler choose one.
	Host int `json:"host,omitempty"`
	// Protocol is "tcp" or "udp".
	Protocol string `json:"protocol"`
}

// Tmpfs is a folder in memory that is empty at each start.
type Tmpfs struct {
	Path string `json:"path"`
	Size Bytes  `json:"size"`
}

// Health is how a running container shows that it can serve: exactly one of
// HTTP, TCP and Exec is set.
type Health struct {
	HTTP *HTTPCheck `json:"http,omitempty"`
	TCP  *TCPCheck  `json:"tcp,omitempty"`
	Exec *ExecCheck `json:"exec,omitempty"`

	Interval Duration `json:"interval"`
	Timeout  Duration `json:"timeout"`
	// Retries is how many failures in a row make a healthy instance unhealthy.
	Retries int `json:"retries"`
	// StartPeriod is how long after the start failures do not count.
	StartPeriod Duration `json:"startPeriod"`
}

// HTTPCheck passes on a status from 200 to 399.
type HTTPCheck struct {
	Path string `json:"path"`
	// Port names one of the workload's ports.
	Port string `json:"port"`
}

// TCPCheck passes when the port accepts a connection.
type TCPCheck struct {
	Port string `json:"port"`
}

// ExecCheck passes when the command, run in the container, exits with 0.
type ExecCheck struct {
	Command []string `json:"command"`
}

// Restart is what the agent does when a container ends by itself.
type Restart struct {
	// Policy is "always", "on-failure" or "never".
	Policy string `json:"policy"`
	// Backoff is the wait before the first restart; it doubles with each
	// restart up to MaxBackoff, and starts anew once a run lasted MaxBackoff.
	Backoff    Duration `json:"backoff"`
	MaxBackoff Duration `json:"maxBackoff"`
}

// Stop is how a container is asked to end.
type Stop struct {
	// Signal is the first request, such as "SIGTERM".
	Signal string `json:"signal"`
	// Grace is how long after Signal the container is killed.
	Grace Duration `json:"grace"`
}

// Update is the way from one digest to the next.
type Update struct {
	// Strategy is "rolling", "recreate", or one of the others that have a name.
	Strategy string `json:"strategy"`
	// Runbook is what an ordered update does around the change; nil is nothing.
	Runbook *Runbook `json:"runbook,omitempty"`
	// BlueGreen is how sets change in an update of that strategy; nil is as its
	// defaults say.
	BlueGreen *BlueGreenUpdate `json:"blueGreen,omitempty"`
	// Canary are the steps of an update of that strategy, the rest after them.
	Canary []CanaryStep `json:"canary,omitempty"`
	// MaxSurge is how many slots may run old and new side by side.
	MaxSurge Amount `json:"maxSurge"`
	// MaxUnavailable is how many slots may be down by the rollout's own doing.
	MaxUnavailable Amount `json:"maxUnavailable"`
	// MinHealthyTime is how long a new instance must stay healthy to count.
	MinHealthyTime Duration `json:"minHealthyTime"`
	// HealthyDeadline is how long a new instance has to become healthy.
	HealthyDeadline Duration `json:"healthyDeadline"`
	// ProgressDeadline is how long a rollout may go without any progress.
	ProgressDeadline Duration `json:"progressDeadline"`
	// MaxFailures is how many failures of slots do not take the update back yet.
	MaxFailures int `json:"maxFailures,omitempty"`
}

// Digest is the content hash of what would run in a container, as 64 hex
// digits. Two workloads of one digest need nothing done to go from one to the
// other; what steers slots from outside (replicas, constraints, health, update,
// restart, stop) is not part of it and changes without a restart.
type Digest string

// Short is the first 12 digits, for names and people.
func (d Digest) Short() string {
	if len(d) > 12 {
		return string(d[:12])
	}
	return string(d)
}

// Digest is computed from the fields that a container is made of. The image
// counts by its pinned digest where that is known, so that a tag that moved is
// a new digest only after it was resolved anew; an artifact by its content and
// where that lies, so that it may be fetched from elsewhere without a restart.
func (w *Workload) Digest() Digest {
	image := w.Pinned
	if image == "" {
		image = w.Image
	}
	network := w.Network
	if network == Bridge {
		network = "" // as before there was a choice
	}
	b, err := json.Marshal(struct {
		Image     string
		Command   []string          `json:",omitempty"`
		Args      []string          `json:",omitempty"`
		Env       map[string]string `json:",omitempty"`
		User      string
		Workdir   string
		Resources Resources
		Ports     map[string]Port   `json:",omitempty"`
		Volumes   map[string]Volume `json:",omitempty"`
		Labels    map[string]string `json:",omitempty"`
		Network   Network           `json:",omitempty"`
		Tmpfs     map[string]Tmpfs  `json:",omitempty"`
		ReadOnly  bool              `json:",omitempty"`
		Artifact  *Artifact         `json:",omitempty"`
		Java      *Java             `json:",omitempty"`
		// A run is made of so many slots: another number is another run.
		Completions              int    `json:",omitempty"`
		Init, Sidecars, PostStop []Part `json:",omitempty"`
	}{image, w.Command, w.Args, w.Env, w.User, w.Workdir, w.Resources, w.Ports, w.Volumes, w.Labels, network, w.Tmpfs, w.ReadOnlyRoot, w.Artifact.content(), w.Java, w.Completions,
		contents(w.Init), contents(w.Sidecars), w.PostStop.content()})
	if err != nil {
		panic("schema: a workload is always JSON: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return Digest(hex.EncodeToString(sum[:]))
}
