package reconciler

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Input is all that a pass looks at. Reconcile changes nothing in it.
type Input struct {
	// Desired is what the tracked branch asks for, as far as it evaluates,
	// sealed. One without a commit asks for nothing new.
	Desired schema.Spec
	// Observed is the newest report of every node heard in this run.
	Observed nodes.Snapshot
	// Facts are what the ledger holds.
	Facts Facts
	// Now is the server's clock.
	Now time.Time
	// Epoch is the leader's; every Assignment carries it.
	Epoch int64
	// Started is when this leader took over: no node counts as silent for
	// longer than since then (I22).
	Started time.Time
	// Refused is why Desired's commit as a whole asks for nothing: its tree is
	// empty or cannot be read. The commit has then failed, and what is in force
	// stays.
	Refused string
	// Unverified is why the signatures of Desired's commit do not vouch for it. Its
	// text was then not looked at, and it is Held (Approval.Signature).
	Unverified string
	// Unplanned is what Desired's commit would do that no approved plan says, where
	// the text in force asks for one (schema.Gates); Planned are the keys of those
	// that say it.
	Unplanned string
	Planned   []string
	// Overtaken are commits that Desired's replaced before they were looked at,
	// oldest first: those that are not known are recorded as superseded by it.
	Overtaken []schema.Revision
	// Rewritten is whether Desired's commit does not descend from the one in
	// force: the branch was force-pushed (I12).
	Rewritten bool
	// Unresolved are the images that could not be resolved to a digest, sorted
	// by workload. Such a workload stays as it is.
	Unresolved []Unresolved
	// Trace is the traceparent that new orders carry.
	Trace string
	// Others are what the repositories beside the operators' ask for, one for each
	// that is followed, whether it was read yet or not.
	Others []Ask
	// Scratch is memory to work in, reused from pass to pass; its content never
	// matters and nil is allowed.
	Scratch *Scratch
}

// Unresolved is an image that a registry would not give a digest for.
type Unresolved struct {
	Workload string
	Failure  nodes.Failure
}
