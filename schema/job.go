package schema

// Batch is how a job, or each firing of a cron, runs to completion; zero for
// other kinds.
type Batch struct {
	// Completions is how many slots must exit with 0, Parallelism how many of
	// them run at once.
	Completions int `json:"completions,omitempty"`
	Parallelism int `json:"parallelism,omitempty"`
	// Attempts is how often each slot may be tried. The wait before another
	// doubles from Backoff to MaxBackoff.
	Attempts   int      `json:"attempts,omitempty"`
	Backoff    Duration `json:"backoff,omitempty"`
	MaxBackoff Duration `json:"maxBackoff,omitempty"`
	// Deadline is how long a run may take in all; zero is without end.
	Deadline Duration `json:"deadline,omitempty"`
	// Keep is of how many ended runs the containers are kept.
	Keep int `json:"keep,omitempty"`
}

// OnLost says whether what was on a lost node may run elsewhere while it may
// still be running there.
type OnLost string

// What follows when a node is lost: a job's attempt may be tried again, a
// stateful workload's slot replaced without the data that it had.
const (
	WaitForNode      OnLost = "wait"
	RetryElsewhere   OnLost = "retry"
	ReplaceElsewhere OnLost = "replace"
)

// Timing is when a cron fires; zero for other kinds.
type Timing struct {
	// Schedule is read by ParseSchedule, TimeZone by LoadZone.
	Schedule string  `json:"schedule,omitempty"`
	TimeZone string  `json:"timeZone,omitempty"`
	Overlap  Overlap `json:"overlap,omitempty"`
	// CatchUp is how late a missed instant may still run.
	CatchUp Duration `json:"catchUp,omitempty"`
}

// Overlap is what becomes of a cron's instant while an earlier run is under way.
type Overlap string

// The ways of overlapping runs.
const (
	AllowOverlap   Overlap = "allow"
	ForbidOverlap  Overlap = "forbid"
	ReplaceOverlap Overlap = "replace"
)

// Runs is whether slots of the kind run to completion, rather than until they
// are told to stop.
func (k Kind) Runs() bool { return k == Job || k == Cron }
