package nodes

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Node is a machine as it describes itself. It is a value.
type Node struct {
	// Name is unique in the cluster and equals the certificate's name.
	Name string `json:"name"`
	// Address is where its published ports are reached.
	Address string `json:"address"`
	// Attributes are what constraints see: "os", "arch", "node", "runtime" and
	// whatever the operator gave the agent.
	Attributes map[string]string `json:"attributes,omitempty"`
	// Allocatable is what workloads may reserve.
	Allocatable Capacity `json:"allocatable"`
	// PortMin and PortMax bound (inclusive) the host ports that the scheduler
	// may choose from.
	PortMin int `json:"portMin"`
	PortMax int `json:"portMax"`
	// BusyPorts are ports of that range that something else was seen to hold,
	// sorted.
	BusyPorts []int `json:"busyPorts,omitempty"`
	// Runtime names the engine and its version: "docker 20.10.24".
	Runtime string `json:"runtime"`
	// Version is the agent's.
	Version string `json:"version"`
	// Leases is whether the agent knows what a leased order is. The server notes
	// it as the agent says hello; a Report does not tell.
	Leases bool `json:"leases,omitempty"`
	// Trouble is why the node cannot start containers now (its engine does not
	// answer, its disk is full); empty when it can.
	Trouble string `json:"trouble,omitempty"`
}

// Capacity is an amount of the divisible resources.
type Capacity struct {
	CPU    schema.CPU   `json:"cpu"`
	Memory schema.Bytes `json:"memory"`
}

// Plus is the sum.
func (c Capacity) Plus(d Capacity) Capacity { return Capacity{c.CPU + d.CPU, c.Memory + d.Memory} }

// Minus is the difference; a part may be negative.
func (c Capacity) Minus(d Capacity) Capacity { return Capacity{c.CPU - d.CPU, c.Memory - d.Memory} }

// Instance is one container of the node, or the attempt to have one, as the
// agent sees it.
type Instance struct {
	// ID is the order's, or the container label's where no order is known.
	ID     string        `json:"id"`
	Slot   schema.Slot   `json:"slot"`
	Digest schema.Digest `json:"digest"`
	Phase  Phase         `json:"phase"`
	Health Health        `json:"health"`
	// Container is the engine's identifier; empty before there is one.
	Container string `json:"container,omitempty"`
	// Ports are the host ports by name.
	Ports map[string]int `json:"ports,omitempty"`
	// Since is when Phase or Health last changed.
	Since time.Time `json:"since"`
	// Started is when the container's present life began; zero before.
	Started time.Time `json:"started,omitzero"`
	// Restarts counts the lives after the first.
	Restarts int `json:"restarts,omitempty"`
	// Failure is why the instance is not as it should be, or why its last life
	// ended; nil where all is well and always was.
	Failure *Failure `json:"failure,omitempty"`
	// Outcome is set once the order's Step has ended.
	Outcome *Outcome `json:"outcome,omitempty"`
	// Fetched is how far the image or archive is that it waits for while it is
	// Pulling; nil where that is not known.
	Fetched *Fetched `json:"fetched,omitempty"`
}

// Fetched is how much of something was fetched, in bytes as they travel.
type Fetched struct {
	Done schema.Bytes `json:"done"`
	// Total is zero while nobody knows.
	Total schema.Bytes `json:"total,omitempty"`
}

// String is "12.3Mi of 340Mi".
func (f Fetched) String() string {
	if f.Total <= 0 {
		return f.Done.Human()
	}
	return f.Done.Human() + " of " + f.Total.Human()
}

// Available is whether the instance serves as of its report: it runs, and its
// health check, if it has one, passes.
func (i *Instance) Available() bool {
	return i.Phase == Running && (i.Health == Healthy || i.Health == NoCheck)
}

// FailureCode is the closed list of what can go wrong with an instance.
type FailureCode string

// What can go wrong with an instance.
const (
	ImageNotFound       FailureCode = "image-not-found"
	ImageUnauthorized   FailureCode = "image-unauthorized"
	RegistryUnreachable FailureCode = "registry-unreachable"
	PullFailed          FailureCode = "pull-failed"
	ArtifactInvalid     FailureCode = "artifact-invalid"
	ArtifactUnreachable FailureCode = "artifact-unreachable"
	StartFailed         FailureCode = "start-failed"
	CommandNotFound     FailureCode = "command-not-found"
	PortInUse           FailureCode = "port-in-use"
	Exited              FailureCode = "exited"
	OOMKilled           FailureCode = "oom-killed"
	HealthFailing       FailureCode = "health-failing"
	EngineDown          FailureCode = "engine-down"
	DiskFull            FailureCode = "disk-full"
	VolumeUnavailable   FailureCode = "volume-unavailable"
	PostStopFailed      FailureCode = "post-stop-failed"
	// Refused is told of what the machine's own policy does not let run.
	Refused FailureCode = "refused"
	// LeaseExpired is told of what the agent ended since the server was not heard.
	LeaseExpired FailureCode = "lease-expired"
	// VolumeFull is told of a program that runs on, as far as it can.
	VolumeFull FailureCode = "volume-full"
)

// Failure is one thing that went wrong, as data and as text.
type Failure struct {
	Code FailureCode `json:"code"`
	// Text is one sentence for people, with the engine's own words where they
	// help.
	Text string `json:"text"`
	// ExitCode of a life that ended.
	ExitCode int       `json:"exitCode,omitempty"`
	At       time.Time `json:"at"`
	// Count is how often in a row.
	Count int `json:"count"`
	// Port is the one in use.
	Port int `json:"port,omitempty"`
	// Part is the container of the slot's that ended, where it was not the main one.
	Part string `json:"part,omitempty"`
	// Log is the end of what that container had written by then, as CutOutput
	// leaves it; empty while it is not read yet.
	Log string `json:"log,omitempty"`
}

// Report is all that one node knows of itself.
type Report struct {
	Node Node `json:"node"`
	// Seen is the Version of the newest Assignment that the agent holds: what
	// is absent from Instances is gone only for orders up to it.
	Seen Version `json:"seen"`
	// Now is the agent's clock when the report was made; the server reads the
	// report's other times against it.
	Now time.Time `json:"now"`
	// Instances are sorted by ID.
	Instances []Instance `json:"instances"`
	// Deleted tells of the Assignment's Deletions, as far as they were tried, sorted
	// by slot.
	Deleted []Deleted `json:"deleted,omitempty"`
	// Endings tell of instances that are gone, for an hour, oldest first.
	Endings []Ending `json:"endings,omitempty"`
	// Inventory is false while the runtime could not list what it holds: then
	// an absent instance means nothing.
	Inventory bool `json:"inventory"`
}

// Deleted is how far the deletion of a slot's volumes has come.
type Deleted struct {
	Slot schema.Slot `json:"slot"`
	// Gone is whether nothing of them is left.
	Gone bool `json:"gone,omitempty"`
	// Failure is why something is; it is tried again.
	Failure *Failure `json:"failure,omitempty"`
}

func (r Deleted) equal(s Deleted) bool {
	return r.Slot == s.Slot && r.Gone == s.Gone && sameFailure(r.Failure, s.Failure)
}

// Instance finds one by ID; nil if the report has none of it.
func (r *Report) Instance(id string) *Instance {
	i, ok := slices.BinarySearchFunc(r.Instances, id, func(x Instance, id string) int { return strings.Compare(x.ID, id) })
	if !ok {
		return nil
	}
	return &r.Instances[i]
}

// Snapshot is the newest report of every node that was ever heard, sorted by
// name.
type Snapshot struct {
	Nodes []Seen
}

// Seen is a node as the server sees it.
type Seen struct {
	// Report has every time moved onto the server's clock.
	Report Report
	// At is when the server last heard of the node at all.
	At time.Time
	// Refusal is why the node does not take over the newest Assignment; empty
	// where it did, or was not sent one.
	Refusal string
}

// Node finds one by name; nil if it was never heard.
func (s *Snapshot) Node(name string) *Seen {
	i, ok := slices.BinarySearchFunc(s.Nodes, name, func(x Seen, n string) int { return strings.Compare(x.Report.Node.Name, n) })
	if !ok {
		return nil
	}
	return &s.Nodes[i]
}

// Equal is whether two descriptions say the same.
func (n *Node) Equal(m *Node) bool {
	return n.Name == m.Name && n.Address == m.Address && n.Allocatable == m.Allocatable &&
		n.PortMin == m.PortMin && n.PortMax == m.PortMax && n.Runtime == m.Runtime &&
		n.Version == m.Version && n.Leases == m.Leases && n.Trouble == m.Trouble &&
		maps.Equal(n.Attributes, m.Attributes) && slices.Equal(n.BusyPorts, m.BusyPorts)
}
