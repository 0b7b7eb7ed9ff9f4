package dialogue

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// Beat is an agent's heartbeat: the sums of what it believes.
type Beat struct {
	// Report is of what it has reported, Holds of the Assignment that it lives by.
	Report, Holds nodes.Sum
}

// Agent is the agent's end of one session.
type Agent struct {
	sent nodes.Report
	// said is the Sum of sent, once it was asked for.
	said *nodes.Sum
	// holds is the Version whose Sum is held.
	holds nodes.Version
	held  *nodes.Sum
	marks []mark
}

// mark is when a heartbeat was about to be sent, on a clock that runs while the
// machine sleeps.
type mark struct {
	seq uint64
	at  time.Duration
}

// maxMarks is more heartbeats than go unanswered within a lease: an older server
// answers none.
const maxMarks = 32

// Whole notes that r is about to be sent in full.
func (a *Agent) Whole(r nodes.Report) { a.sent, a.said = r, nil }

// Change is what differs between r and what was sent; it counts as sent. False
// where nothing does.
func (a *Agent) Change(r nodes.Report) (c nodes.Change, differs bool) {
	if c = nodes.Diff(a.sent, r); !c.Alters(&a.sent) {
		return c, false
	}
	a.sent, a.said = r, nil
	return c, true
}

// Beat is the heartbeat of an agent that holds the Assignment. What it reports has
// to be sent before.
func (a *Agent) Beat(holds *nodes.Assignment) Beat {
	if a.said == nil {
		sum := a.sent.Sum()
		a.said = &sum
	}
	if a.held == nil || a.holds != holds.Version || holds.Version == (nodes.Version{}) {
		sum := holds.Sum()
		a.holds, a.held = holds.Version, &sum
	}
	return Beat{Report: *a.said, Holds: *a.held}
}

// Mark notes that the message of that number is a heartbeat, and that at was
// before it is sent.
func (a *Agent) Mark(seq uint64, at time.Duration) {
	a.marks = append(a.marks, mark{seq, at})
	a.marks = a.marks[max(0, len(a.marks)-maxMarks):]
}

// Heard is when the heartbeat was sent that an answer names: the lease counts from
// then, however long the answer took. False for one that nobody waits for.
func (a *Agent) Heard(seq uint64) (at time.Duration, ok bool) {
	k := slices.IndexFunc(a.marks, func(m mark) bool { return m.seq == seq })
	if k < 0 {
		return 0, false
	}
	at = a.marks[k].at
	a.marks = slices.Delete(a.marks, 0, k+1)
	return at, true
}
