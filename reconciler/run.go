package reconciler

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// JobFact is what is remembered of one job or cron, so that nothing of it runs
// twice (I5, I24). It outlives its workload for a while: what was removed and
// comes back has run all the same.
type JobFact struct {
	Workload string `json:"workload"`
	// Ran are the names of a job's runs, oldest first, at most MaxRan: what is
	// among them never begins again.
	Ran []string `json:"ran,omitempty"`
	// Runs are those under way and the newest that have ended, oldest first.
	Runs []Run `json:"runs,omitempty"`
	// Until is the instant of a cron's schedule up to which all are decided: run,
	// or skipped. It only grows, whatever the wall clock does.
	Until time.Time `json:"until,omitzero"`
	// Clock is the schedule and the zone that Until was read by.
	Clock string `json:"clock,omitempty"`
	// Skipped is the newest instant that did not run, and SkippedWhy why.
	Skipped    time.Time `json:"skipped,omitzero"`
	SkippedWhy string    `json:"skippedWhy,omitempty"`
	// Gone is when the workload left the repository; zero while it is there.
	Gone time.Time `json:"gone,omitzero"`
}

// What is remembered of jobs is bounded.
const (
	// MaxRan is of how many runs of a job the names are remembered.
	MaxRan = 100
	// MaxGoneJobs is of how many jobs that left the repository anything is.
	MaxGoneJobs = 1000
	// MaxKept is how many ended containers of one workload are kept for their
	// logs, whatever its keep says: each is an order that its node is sent.
	MaxKept = 100
	// MaxRunsAtOnce is how many runs of a cron may be under way with overlap
	// "allow".
	MaxRunsAtOnce = 10
)

// RunOutcome is what became of a run.
type RunOutcome string

// The outcomes of runs. RunUnderWay is the only one that is not an end.
const (
	RunUnderWay   RunOutcome = "running"
	RunCompleted  RunOutcome = "completed"
	RunFailed     RunOutcome = "failed"
	RunSuperseded RunOutcome = "superseded"
)

// Run is one run of a job, or one firing of a cron.
type Run struct {
	// Name is what the run is known by, once and for ever: the beginning of a
	// job's digest, or the instant of a cron's schedule in UTC.
	Name   string        `json:"name"`
	Digest schema.Digest `json:"digest"`
	// Work is the text that the run began with, of which its attempts are made.
	Work   *schema.Workload `json:"work,omitempty"`
	Commit string           `json:"commit,omitempty"`
	// First is the index of its first slot: no two runs that are remembered
	// share a slot.
	First int `json:"first,omitempty"`
	// Began is when it began, or went on after it was superseded.
	Began   time.Time  `json:"began"`
	Ended   time.Time  `json:"ended,omitzero"`
	Outcome RunOutcome `json:"outcome"`
	// Reason is why it ended so.
	Reason string    `json:"reason,omitempty"`
	Slots  []RunSlot `json:"slots"`
}

// RunSlot is one of a run's completions.
type RunSlot struct {
	// Attempt numbers the newest attempt from 1; zero before the first. Failures
	// is how many failed.
	Attempt  int `json:"attempt,omitempty"`
	Failures int `json:"failures,omitempty"`
	// Instance and Node are the newest attempt's.
	Instance string `json:"instance,omitempty"`
	Node     string `json:"node,omitempty"`
	// Began is when that was ordered; Ended is zero while it may be running.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Completed only ever becomes true.
	Completed bool `json:"completed,omitempty"`
	// ExitCode and Text are of the newest attempt that ended.
	ExitCode int    `json:"exitCode,omitempty"`
	Text     string `json:"text,omitempty"`
}

// busy is whether an attempt may be running.
func (s *RunSlot) busy() bool { return s.Attempt > 0 && s.Ended.IsZero() }

// Live is whether something of the run may be running, or is still to run.
func (r *Run) Live() bool { return r.Outcome == RunUnderWay || r.stirs() }

// stirs is whether any attempt may be running.
func (r *Run) stirs() bool {
	return slices.ContainsFunc(r.Slots, func(s RunSlot) bool { return s.busy() })
}

// Completed counts the slots that are.
func (r *Run) Completed() (n int) {
	for i := range r.Slots {
		if r.Slots[i].Completed {
			n++
		}
	}
	return n
}

// has is whether the index is one of the run's slots.
func (r *Run) has(index int) bool { return index >= r.First && index < r.First+len(r.Slots) }

// The environment that makes of one text a container of its own for each attempt.
const (
	envRun     = "BAYPLAN_RUN"
	envIndex   = "BAYPLAN_INDEX"
	envAttempt = "BAYPLAN_ATTEMPT"
)

// attempt is the text of a slot's next attempt: never the same twice, and so
// neither its digest nor its instance.
func (r *Run) attempt(slot int) *schema.Workload {
	w := *r.Work
	w.Env = make(map[string]string, len(r.Work.Env)+3)
	for k, v := range r.Work.Env {
		w.Env[k] = v
	}
	w.Env[envRun], w.Env[envIndex], w.Env[envAttempt] = r.Name, strconv.Itoa(slot), strconv.Itoa(r.Slots[slot].Attempt+1)
	w.Restart = schema.Restart{Policy: "never", Backoff: w.Backoff, MaxBackoff: w.MaxBackoff}
	return &w
}

// Job finds what is remembered of a workload's runs; nil if nothing is.
func (f *Facts) Job(workload string) *JobFact {
	if at, known := findJob(f.Jobs, workload); known {
		return &f.Jobs[at]
	}
	return nil
}

func findJob(sorted []JobFact, workload string) (at int, known bool) {
	return slices.BinarySearchFunc(sorted, workload, func(j JobFact, name string) int { return strings.Compare(j.Workload, name) })
}

// Ended is whether the order is of an attempt that has ended, on record: its
// container is kept for its logs alone and holds nothing of its node.
func (f *Facts) Ended(node string, o *nodes.Order) bool {
	if o.Workload == nil || !o.Workload.Kind.Runs() {
		return false
	}
	j := f.Job(o.Slot.Workload)
	if j == nil {
		return false
	}
	for i := range j.Runs {
		if r := &j.Runs[i]; r.has(o.Slot.Index) && r.Name == o.Workload.Env[envRun] {
			s := &r.Slots[o.Slot.Index-r.First]
			if s.Instance == o.ID && s.Node == node {
				return !s.busy()
			}
			return !o.Stop || o.Reason != nodes.NodeLost // an earlier one has, unless it was given up with its node
		}
	}
	return false
}

// retryRun has a job's newest run go on, if that failed: its slots that are not
// complete have all their attempts anew.
func (f *Facts) retryRun(workload string, now time.Time) {
	at, known := findJob(f.Jobs, workload)
	if !known || len(f.Jobs[at].Runs) == 0 {
		return
	}
	last := len(f.Jobs[at].Runs) - 1
	if f.Jobs[at].Runs[last].Outcome != RunFailed {
		return
	}
	f.Jobs = slices.Clone(f.Jobs)
	j := &f.Jobs[at]
	j.Runs = slices.Clone(j.Runs)
	r := &j.Runs[last]
	r.Outcome, r.Reason, r.Began, r.Ended, r.Slots = RunUnderWay, "", now, time.Time{}, slices.Clone(r.Slots)
	for s := range r.Slots {
		r.Slots[s].Failures = 0
	}
}

// The edit… methods copy what they return before its first change in a pass.

func (p *pass) editJobs() {
	p.dirty = true
	if p.ownRuns == nil {
		p.facts.Jobs, p.ownRuns = slices.Clone(p.facts.Jobs), map[runKey]bool{}
	}
}

// runKey is a run, or with no name all of a workload's.
type runKey struct{ workload, run string }

func (p *pass) editJob(at int) *JobFact {
	p.editJobs()
	j := &p.facts.Jobs[at]
	if key := (runKey{workload: j.Workload}); !p.ownRuns[key] {
		j.Runs, j.Ran, p.ownRuns[key] = slices.Clone(j.Runs), slices.Clone(j.Ran), true
	}
	return j
}

func (p *pass) editRun(at, k int) *Run {
	j := p.editJob(at)
	r := &j.Runs[k]
	if key := (runKey{j.Workload, r.Name}); !p.ownRuns[key] {
		r.Slots, p.ownRuns[key] = slices.Clone(r.Slots), true
	}
	return r
}

// learnJob is where the workload's runs are, begun if there are none yet.
func (p *pass) learnJob(workload string) int {
	at, known := findJob(p.facts.Jobs, workload)
	if !known {
		p.editJobs()
		p.facts.Jobs = slices.Insert(p.facts.Jobs, at, JobFact{Workload: workload})
	}
	if !p.facts.Jobs[at].Gone.IsZero() {
		p.editJob(at).Gone = time.Time{}
	}
	return at
}
