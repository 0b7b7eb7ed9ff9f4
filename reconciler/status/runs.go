package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Run is one run of a job, or one firing of a cron.
type Run struct {
	Run string `json:"run"`
	// Outcome is "running", "completed", "failed" or "superseded".
	Outcome reconciler.RunOutcome `json:"outcome"`
	Reason  string                `json:"reason,omitempty"`
	Commit  string                `json:"commit,omitempty"`
	Began   time.Time             `json:"began"`
	Ended   time.Time             `json:"ended,omitzero"`
	// Completed counts, out of Completions, the slots that exited with 0;
	// Attempts how often one of them was begun.
	Completed   int       `json:"completed"`
	Completions int       `json:"completions"`
	Attempts    int       `json:"attempts"`
	Slots       []RunSlot `json:"slots"`
}

// RunSlot is one of a run's slots that was tried, as of its newest attempt.
type RunSlot struct {
	Slot string `json:"slot"`
	Node string `json:"node"`
	// Instance is the attempt's ID, by which its log is asked for.
	Instance string `json:"instance,omitempty"`
	Attempt  int    `json:"attempt"`
	Failures int    `json:"failures,omitempty"`
	// State is "running", "completed" or "ended".
	State    string    `json:"state"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"`
	ExitCode int       `json:"exitCode,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

// MaxRunSlots bounds how many slots of a run are told of: those that need a look
// first.
const MaxRunSlots = 100

// runs fills in what a job or cron ran, newest first, and when a cron fires next.
func (b *builder) runs(w *Workload, r *reconciler.Rollout) {
	j := b.in.Facts.Job(r.Workload)
	if j == nil {
		return
	}
	for k := range slices.Backward(j.Runs) {
		w.Runs = append(w.Runs, runOf(r.Workload, &j.Runs[k]))
	}
	if !j.Skipped.IsZero() {
		w.Skipped = &Skipped{At: j.Skipped, Reason: j.SkippedWhy}
	}
	if r.Want != nil && r.Want.Kind == schema.Cron {
		w.Next = nextFiring(r.Want, j.Until)
	}
}

func nextFiring(w *schema.Workload, until time.Time) time.Time {
	zone, err := schema.LoadZone(w.TimeZone)
	if err != nil {
		return time.Time{}
	}
	s, err := schema.ParseSchedule(w.Schedule, zone)
	if err != nil {
		return time.Time{}
	}
	return s.Next(until)
}

func runOf(workload string, r *reconciler.Run) Run {
	run := Run{Run: r.Name, Outcome: r.Outcome, Reason: r.Reason, Commit: r.Commit, Began: r.Began, Ended: r.Ended,
		Completed: r.Completed(), Completions: len(r.Slots), Slots: []RunSlot{}}
	for i := range r.Slots {
		s := &r.Slots[i]
		run.Attempts += s.Attempt
		if s.Attempt > 0 {
			run.Slots = append(run.Slots, runSlotOf(schema.Slot{Workload: workload, Index: r.First + i}, s))
		}
	}
	if len(run.Slots) > MaxRunSlots {
		slices.SortStableFunc(run.Slots, func(x, y RunSlot) int { return rank(x.State) - rank(y.State) })
		run.Slots = run.Slots[:MaxRunSlots]
	}
	return run
}

func rank(state string) int { return slices.Index([]string{"ended", "running", "completed"}, state) }

func runSlotOf(slot schema.Slot, s *reconciler.RunSlot) RunSlot {
	state := "ended"
	switch {
	case s.Completed:
		state = "completed"
	case s.Ended.IsZero():
		state = "running"
	}
	return RunSlot{Slot: slot.String(), Node: s.Node, Instance: s.Instance, Attempt: s.Attempt, Failures: s.Failures, State: state,
		Began: s.Began, Ended: s.Ended, ExitCode: s.ExitCode, Reason: s.Text}
}

// runState is a job's or cron's one word, and why: as its newest run is, or, of a
// cron that has none under way, when it fires next.
func (b *builder) runState(w *Workload, r *reconciler.Rollout) (state, reason string) {
	if r.Stage == reconciler.Removing {
		return "removing", fmt.Sprintf("%d instances are ending", len(w.Slots))
	}
	live := slices.IndexFunc(w.Runs, func(r Run) bool { return r.Outcome == reconciler.RunUnderWay })
	if blocked := b.blockedText(r.Workload); blocked != "" && (live >= 0 || r.Stage != reconciler.Done) {
		return "waiting", blocked
	}
	switch {
	case live >= 0:
		return "running", cmp.Or(lastFailure(&w.Runs[live]), fmt.Sprintf("%d of %d are complete", w.Runs[live].Completed, w.Runs[live].Completions))
	case r.Stage == reconciler.Stuck:
		return "failed", r.Reason
	case w.Kind != string(schema.Cron) && r.Stage != reconciler.Done:
		return "waiting", "its run has not begun"
	case w.Kind != string(schema.Cron):
		return "completed", r.Reason
	case len(w.Runs) > 0 && w.Runs[0].Outcome == reconciler.RunFailed:
		return "failed", w.Runs[0].Reason
	}
	return "scheduled", "fires next at " + w.Next.Format("2006-01-02 15:04 UTC")
}

// lastFailure tells of a slot that is tried again.
func lastFailure(r *Run) string {
	for i := range r.Slots {
		if s := &r.Slots[i]; s.Failures > 0 && s.State != "completed" {
			text := fmt.Sprintf("%d of %d are complete; %s failed %d times", r.Completed, r.Completions, s.Slot, s.Failures)
			if s.Reason != "" {
				text += ": " + s.Reason
			}
			return text
		}
	}
	return ""
}

// runProblems tell of a cron whose newest run failed; of a job its rollout tells.
func runProblems(w *Workload) []Problem {
	if w.Kind != string(schema.Cron) || w.State != "failed" {
		return nil
	}
	return []Problem{{Code: "run-failed", Subject: w.Name, Text: fmt.Sprintf("run %s of %s: %s", w.Runs[0].Run, w.Name, w.Reason), Next: runNext(w)}}
}

// runNext is where to look for why the newest run failed.
func runNext(w *Workload) string {
	for i := range w.Runs[0].Slots {
		if s := &w.Runs[0].Slots[i]; s.State == "ended" && s.Failures > 0 {
			return "bayplan logs " + s.Slot
		}
	}
	return "bayplan runs " + w.Name
}
