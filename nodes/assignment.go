package nodes

import (
	"cmp"
	"maps"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Version orders the Assignments of one node: first by the leader's epoch, then
// by a counter. An agent refuses one that is lower than what it holds.
type Version struct {
	Epoch  int64 `json:"epoch"`
	Serial int64 `json:"serial"`
}

// Compare is negative, zero or positive as v is before, equal to or after w.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Epoch, w.Epoch), cmp.Compare(v.Serial, w.Serial))
}

// Assignment is all that one node should run, and all that it should stop.
type Assignment struct {
	Node    string  `json:"node"`
	Version Version `json:"version"`
	// Orders are sorted by ID.
	Orders []Order `json:"orders"`
	// Deletions are the slots whose volumes are to be deleted, sorted by slot. One
	// stays until a report shows that they are gone.
	Deletions []Deletion `json:"deletions,omitempty"`
}

// Deletion is the order to delete a slot's own volumes: the one way for data to
// be deleted (I18). No order of its Assignment runs the slot.
type Deletion struct {
	Slot schema.Slot `json:"slot"`
	// Actor is who wants it.
	Actor string `json:"actor"`
	// Since is the Version of the Assignment that it came with.
	Since Version `json:"since"`
}

// Peer is one slot of a stateful workload as its fellows reach it.
type Peer struct {
	Slot schema.Slot `json:"slot"`
	// Address is the node's, Ports its host ports by name.
	Address string         `json:"address"`
	Ports   map[string]int `json:"ports,omitempty"`
}

// Equal is whether both say the same.
func (p Peer) Equal(q Peer) bool {
	return p.Slot == q.Slot && p.Address == q.Address && maps.Equal(p.Ports, q.Ports)
}

// Order is the wish for one instance.
type Order struct {
	// ID names the instance: slot "@" the digest's first digits. It is the same
	// wherever and whenever that slot runs that digest.
	ID     string        `json:"id"`
	Slot   schema.Slot   `json:"slot"`
	Digest schema.Digest `json:"digest"`
	// Workload is the full text of what to run.
	Workload *schema.Workload `json:"workload"`
	// Step is set where this is no instance of the workload but a step of its
	// runbook. Workload is then the step's own container, or nil.
	Step *Step `json:"step,omitempty"`
	// Ports are the host ports by name, chosen by the scheduler.
	Ports map[string]int `json:"ports,omitempty"`
	// Peers are all slots of a stateful workload, this one among them, in their
	// order. A container learns of them as it starts; that they change restarts
	// nothing.
	Peers []Peer `json:"peers,omitempty"`
	// Stop asks for the instance to be ended and removed. It stays in the
	// Assignment until a report shows that the instance is gone.
	Stop bool `json:"stop,omitempty"`
	// Leased is whether the agent ends it by itself once the server has not heard
	// the node for LeaseTime, and has it as ordered again once the server does.
	Leased bool `json:"leased,omitempty"`
	// Reason is why it was placed, or why it is stopped.
	Reason Reason `json:"reason"`
	// Commit is the revision that caused the order.
	Commit string `json:"commit,omitempty"`
	// Placed is when the server first ordered it.
	Placed time.Time `json:"placed"`
	// Since is the Version of the Assignment that last changed this order.
	Since Version `json:"since"`
	// Trace is the W3C traceparent of the commit's trace, for the agent's spans.
	Trace string `json:"trace,omitempty"`
}

// Reason is the closed list of causes for an order.
type Reason string

// Why an instance is placed or stopped.
const (
	Created      Reason = "created"       // its slot had none
	Updated      Reason = "updated"       // its digest is the new one
	RolledBack   Reason = "rolled back"   // its digest is the last good one again
	Replaced     Reason = "replaced"      // stopped: a newer digest took its slot
	Removed      Reason = "removed"       // stopped: its workload left the repository
	ScaledUp     Reason = "scaled up"     // its commit asks for more replicas
	ScaledDown   Reason = "scaled down"   // stopped: its slot is above replicas
	NodeLost     Reason = "node lost"     // placed anew because its node is silent; stopped there when it returns
	Moved        Reason = "moved"         // its node no longer satisfies the constraints
	Orphaned     Reason = "orphaned"      // stopped: no order was ever recorded for it
	Evicted      Reason = "evicted"       // stopped: it makes room for what goes before it
	PortConflict Reason = "port conflict" // ordered again with other ports
	RunbookStep  Reason = "runbook step"  // a step of its workload's update; stopped once it has ended
	Retried      Reason = "tried again"   // a job's slot whose last attempt failed
	GivenUp      Reason = "given up"      // stopped: a job's attempt that cannot be started
	RunEnded     Reason = "run ended"     // stopped: its run has failed, or its slot is complete
	NotKept      Reason = "not kept"      // stopped: it has ended, and newer ones are kept
)

// InstanceID is the one way to name an instance.
func InstanceID(s schema.Slot, d schema.Digest) string { return s.String() + "@" + d.Short() }
