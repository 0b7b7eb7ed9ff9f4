package agent

import (
	"context"
	"io"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Runtime is an engine that holds containers for one node of one cluster. It
// sees and touches only those: each container is marked with its cluster and its
// node, so that several nodes of several clusters may share a machine (I9). A
// container outlives the agent, and is found again by the next one, with its
// exit if it ended meanwhile (I10). Every call honours its context; every error that a person can act on is a
// [*nodes.Failure] wrapped in [Error]. A Runtime is safe for concurrent use.
//
// nodes/agent/runtimetest is the contract as a test suite; every Runtime, the
// fake of testenv included, passes it.
type Runtime interface {
	// Info describes the engine, and fails where it cannot start containers.
	Info(ctx context.Context) (Info, error)
	// Pull makes the image present. The reference names a digest
	// ("repo@sha256:…") or, failing that, a tag. It returns at once if the
	// image is there. An artifact's ([schema.ParseArtifactRef]) is another thing
	// to be had, or is refused.
	Pull(ctx context.Context, image string) error
	// Start creates and starts the container of c.ID. It is idempotent: one
	// that runs is left alone, one that was created or has exited is started
	// again (the same container, so that its logs stay).
	Start(ctx context.Context, c Container) (Status, error)
	// Stop sends signal, waits for grace, kills; it returns once the container
	// has ended. One that is not there or has ended is no error.
	Stop(ctx context.Context, id, signal string, grace time.Duration) error
	// Remove deletes an ended container, never a volume. One that is not there
	// is no error.
	Remove(ctx context.Context, id string) error
	// RemoveVolumes deletes the slot's own volumes with all that is in them, and
	// is the only call that deletes any. One whose container is still there is
	// refused; one that has none is no error.
	RemoveVolumes(ctx context.Context, slot schema.Slot) error
	// List is every container of this node and cluster, ended ones included,
	// sorted by ID.
	List(ctx context.Context) ([]Status, error)
	// Watch calls changed with the container's ID whenever one changed, and
	// with "" whenever anything may have (after a gap). It returns when ctx ends
	// or the engine stops talking; the caller calls it again.
	Watch(ctx context.Context, changed func(id string)) error
	// Logs writes the container's output as it came, stdout and stderr merged.
	// With Follow it returns when the container ends or ctx does.
	Logs(ctx context.Context, id string, o LogOptions, w io.Writer) error
	// Exec runs a command in a running container and returns its exit code.
	Exec(ctx context.Context, id string, e Exec) (int, error)
}

// Lessor is a Runtime that ends what is leased by itself once the lease is over,
// whether an agent lives or not.
type Lessor interface {
	// Lease gives a container that runs another lease, or takes its own away (nil);
	// it returns once that holds. One that is not there or has ended is no error.
	Lease(ctx context.Context, id string, l *Lease) error
}

// Info is what an engine says of itself.
type Info struct {
	// Name and Version, "docker" and "20.10.24": what constraints see as the
	// node's attribute "runtime", and people beside the node.
	Name, Version string
	// CPU and Memory of the machine.
	Capacity nodes.Capacity
	// OS and Arch in Go's words.
	OS, Arch string
	// Attributes are what else of the machine its programs find: "java", the
	// version of the JVM.
	Attributes map[string]string
}

// Container is what to run, complete: the runtime adds nothing of its own but
// its marks.
type Container struct {
	// ID is the order's: unique on the node, and the container's identity in
	// every call.
	ID     string
	Slot   schema.Slot
	Digest schema.Digest
	// Commit is the revision that asked for the container; empty is not known. It
	// is told by a label and makes no container another: one of an earlier commit
	// that is else the same is kept with the commit that it was made for.
	Commit string
	// Workload says what runs; its Env is complete but for Env here.
	Workload *schema.Workload
	// Ports are the host ports by name.
	Ports map[string]int
	// Env is added to the workload's.
	Env map[string]string
	// Join is the ID of a container of this node that runs, whose network it
	// shares; empty is none.
	Join string
	// Hostname is what the container is called; "" leaves that to the engine. On
	// the host's network it is the host's.
	Hostname string
	// Hosts are names that the container finds beside its own, sorted.
	Hosts []HostName
	// Lease bounds its life where the Runtime is a [Lessor]; nil does not.
	Lease *Lease
}

// HostName is a name with the IP address that it stands for.
type HostName struct{ Name, Address string }

// Status is a container as its engine sees it.
type Status struct {
	ID     string
	Slot   schema.Slot
	Digest schema.Digest
	// Container is the engine's own identifier.
	Container string
	State     State
	// Started is when its present or last life began.
	Started time.Time
	// Finished, ExitCode and OOM tell of the last life, once State is Exited.
	Finished time.Time
	ExitCode int
	OOM      bool
	// Lapsed is whether the engine ended it, since its lease was over.
	Lapsed bool
	// Error is the engine's own word where it could not start the container.
	Error string
	// Address is where the host reaches the container's own ports ("" while it
	// does not run): an IP address.
	Address string
	// Ports are the host ports by name that it holds.
	Ports map[string]int
	// Full are its volumes that hold all that they may, by name with the bound
	// ("data (10Gi)"), sorted.
	Full []string
	// Left is whether others of its group still run after its life is over.
	Left bool
	// Part is which container of a group ended its life, where it was not the main
	// one: an init container or a sidecar. No Runtime tells of it.
	Part string
}

// State is an engine's view of one container.
type State uint8

// The states of a container.
const (
	StateCreated State = iota
	StateRunning
	StateExited
	// StatePreparing has containers that run before the main one. No Runtime tells
	// of it: it is a group's.
	StatePreparing
)

// LogOptions choose a part of a log.
type LogOptions struct {
	Follow bool
	// Tail is how many of the last lines to begin with; negative is all.
	Tail int
	// Since leaves out what is older; zero is all.
	Since      time.Time
	Timestamps bool
}

// Exec is a command to run in a container.
type Exec struct {
	Command []string
	// TTY asks for a terminal; then Stderr is unused.
	TTY            bool
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Resize carries the terminal's sizes, if any.
	Resize <-chan Size
	// Single is for checks that come again and again: the command that a former
	// Single left in the container, as it was given up or as its agent died, is
	// ended first, and where that cannot be this one is refused.
	Single bool
	// Series tells apart those that are Single: each series has one of its own.
	Series string
}

// Size is a terminal's.
type Size struct{ Rows, Cols uint16 }

// Error carries a Failure through an error chain. The Failure's At and Count
// are left to the agent.
type Error struct {
	Failure nodes.Failure
	Err     error
}

func (e *Error) Error() string { return e.Failure.Text }
func (e *Error) Unwrap() error { return e.Err }
