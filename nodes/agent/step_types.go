package agent

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// How many actions a node has under way at once, by what they cost it.
const (
	// Starts bounds containers being created and started (I28): beyond 8 at
	// once an engine starts no more a second.
	Starts = 8
	// Pulls bounds images being pulled. One that takes longer than pullSlow
	// gives its place away, so that a registry that hangs holds nobody else
	// up; pullsInAll bounds those too.
	Pulls      = 8
	pullsInAll = 4 * Pulls
	pullSlow   = 30 * time.Second
	// stopsAtOnce is high because stopping is mostly waiting for a grace.
	stopsAtOnce = 64
	// probesAtOnce bounds health checks.
	probesAtOnce = 32
	// stepsAtOnce bounds runbooks' steps, which wait longer than a check does.
	stepsAtOnce = 64
)

// How long an action may take before it counts as failed.
const (
	pullTimeout   = 15 * time.Minute
	startTimeout  = time.Minute
	stopMargin    = 30 * time.Second // on top of the grace
	removeTimeout = time.Minute
	noteTimeout   = time.Minute
	tailTimeout   = 10 * time.Second
)

// Verb is what an Action does.
type Verb uint8

// The verbs. Note writes down what must outlive the agent; Perform does a
// runbook's step in an instance, and Tail reads what one's own container left.
// Quote reads the last lines of an instance that failed. Erase deletes the volumes
// of Slot, whose text is the ID. Cancel ends the Pull of
// Image, or else the Start or Perform of ID, that is under way.
const (
	Idle Verb = iota
	Pull
	Start
	Stop
	Remove
	Probe
	Note
	Perform
	Tail
	Quote
	Erase
	Cancel
)

var verbNames = [...]string{"idle", "pull", "start", "stop", "remove", "probe", "note", "perform", "tail", "quote", "erase", "cancel"}

// String is the verb in lower case.
func (v Verb) String() string { return verbNames[v] }

// Action is one thing for the shell to do. It ends with exactly one Result,
// except for Cancel, which has none.
type Action struct {
	Verb Verb
	// ID is the instance's; for a Pull, of the first that waits for the image.
	ID string
	// Image is set for a Pull and its Cancel.
	Image string
	// Order is set for Remove, Pull, Start, Probe, Perform and Tail; Target is the order
	// of the instance that a Perform is about.
	Order, Target *nodes.Order
	// Status is the container as last known: of ID for a Probe and a Tail, of the
	// Target for a Perform.
	Status Status
	// Halted is whether the agent ended the container that a Tail reads.
	Halted bool
	// Slot is set for an Erase.
	Slot schema.Slot
	// Signal and Grace are set for a Stop.
	Signal string
	Grace  time.Duration
	// Timeout is when the shell gives up.
	Timeout time.Duration
}

// Result is how an Action ended.
type Result struct {
	Verb  Verb
	ID    string
	Image string
	// Status is the container after a Start that succeeded.
	Status *Status
	// Life is the Started of the container that a Probe looked at.
	Life time.Time
	// Lines are what a Quote read.
	Lines string
	// Outcome is what a Perform or Tail found out.
	Outcome *nodes.Outcome
	// Failure is nil on success. At and Count are left to Step.
	Failure *nodes.Failure
	// Ending is what went wrong with what was to run last, of a Remove.
	Ending *nodes.Failure
	// Cancelled is whether it ended by a Cancel.
	Cancelled bool
}

// Listing is what the engine said it holds.
type Listing struct {
	// Began is the Local's Pass when the engine was asked: what an action
	// changed since, the listing cannot know.
	Began uint64
	// Items are sorted by ID.
	Items []Status
}

// Input is all that a step looks at.
type Input struct {
	// Local is the memory of earlier steps; Step moves it on in place.
	Local *Local
	// Orders are the Assignment's, sorted by ID. Step keeps pointers into them;
	// they are never changed.
	Orders []nodes.Order
	// Deletions are the Assignment's too, sorted by slot.
	Deletions []nodes.Deletion
	// Listing is set when one came since the last step.
	Listing *Listing
	// EngineDown is whether the engine failed to answer since the last step.
	EngineDown bool
	// Results are of actions that ended since the last step.
	Results []Result
	// Fetched tells of pulls that are under way.
	Fetched []Fetched
	// Now never goes back within one process. Wall is the machine's clock at the
	// same instant, by which the engine's times are read; zero is Now.
	Now, Wall time.Time
	// Lease is until when what is leased may run, read on Now's clock; where it is
	// not after Now, nothing that is leased may.
	Lease time.Time
	// Policy is what the machine refuses to start; nil is nothing.
	Policy *schema.MachinePolicy
}

// Output is what a step decided.
type Output struct {
	// Actions are to be begun now, each on its own.
	Actions []Action
	// Instances are the Report's, sorted by ID. The slice is never changed.
	Instances []nodes.Instance
	// Changed is whether Instances or BusyPorts differ from the last step's.
	Changed bool
	// Durable is whether Memories changed: time to write them down.
	Durable bool
	// List asks for a Listing soon: something waits to be verified.
	List bool
	// Leased is whether anything runs, or could, for as long as the Lease alone.
	Leased bool
	// Wake is the next instant at which a step could decide otherwise on the
	// same input; zero is never.
	Wake time.Time
}
