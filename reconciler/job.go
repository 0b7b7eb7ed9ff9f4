package reconciler

import (
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// workRuns does what a job or cron needs now. What became of its attempts was
// observed before.
func (p *pass) workRuns(i int, goal *schema.Workload, digest schema.Digest) {
	at := p.learnJob(goal.Name)
	p.endStrangers(i, at)
	p.beginRuns(i, at, goal, digest)
	for k := range p.facts.Jobs[at].Runs {
		p.judgeRun(at, k)
		p.stopAttempts(i, at, k)
	}
	for k := range p.facts.Jobs[at].Runs {
		if p.mayFill(i, at, k, goal) {
			p.fillRun(i, at, k)
		}
	}
	p.keepRuns(i, at, goal.Keep)
	p.countRuns(i, at)
}

// retries is whether an attempt is repeated elsewhere while it may still be
// running on a node that is lost.
func (r *Run) retries() bool { return r.Work != nil && r.Work.OnLost == schema.RetryElsewhere }

// endStrangers ends what the workload ran when it was of another kind, or what no
// remembered run has.
func (p *pass) endStrangers(i, at int) {
	group := p.groupAt(i)
	for j := range group {
		if e := &group[j]; p.runOf(at, e) < 0 {
			p.end(i, e, nodes.Replaced)
		}
	}
}

// runOf is which of the workload's runs the entry is an attempt of; −1 for none.
func (p *pass) runOf(at int, e *entry) int {
	if e.text() == nil {
		return -1
	}
	name := e.text().Env[envRun]
	return slices.IndexFunc(p.facts.Jobs[at].Runs, func(r Run) bool { return r.Name == name && r.has(e.slot().Index) })
}

// beginRuns begins the runs that are due.
func (p *pass) beginRuns(i, at int, goal *schema.Workload, digest schema.Digest) {
	switch g := &p.outcome[i].gate; {
	case !g.start || !g.open() && goal.Kind == schema.Job: // what is under way goes on as it is
	case goal.Image != "" && goal.Pinned == "":
		p.outcome[i].waiting = "its image is not resolved"
	case goal.Kind == schema.Cron:
		p.endJob(at)
		p.fire(i, at, goal, digest)
	default:
		p.beginJob(i, at, goal, digest)
	}
}

// endJob ends the run of a job that became a cron.
func (p *pass) endJob(at int) {
	for k := range p.facts.Jobs[at].Runs {
		if r := &p.facts.Jobs[at].Runs[k]; r.Outcome == RunUnderWay && r.Work.Kind == schema.Job {
			p.endRun(at, k, RunSuperseded, "its workload is a cron now")
		}
	}
}

// beginJob makes the run of the wanted digest the one that is under way: anew,
// where it is a new digest, or where it was superseded half way. One that came to
// its end never runs again.
func (p *pass) beginJob(i, at int, goal *schema.Workload, digest schema.Digest) {
	j := &p.facts.Jobs[at]
	for k := range j.Runs {
		if r := &p.facts.Jobs[at].Runs[k]; r.Outcome == RunUnderWay && r.Name != digest.Short() {
			p.endRun(at, k, RunSuperseded, "by "+digest.Short())
		}
	}
	k := slices.IndexFunc(p.facts.Jobs[at].Runs, func(r Run) bool { return r.Name == digest.Short() })
	switch {
	case k >= 0 && p.facts.Jobs[at].Runs[k].Outcome == RunSuperseded:
		r := p.editRun(at, k)
		r.Outcome, r.Reason, r.Began, r.Ended, r.Work = RunUnderWay, "", p.in.Now, time.Time{}, goal
	case k >= 0:
		p.refreshRun(at, k, goal)
	case !slices.Contains(p.facts.Jobs[at].Ran, digest.Short()):
		p.beginRun(i, at, digest.Short(), goal, digest)
	}
}

// refreshRun lets what steers a run from outside count at once: its digest is
// the same.
func (p *pass) refreshRun(at, k int, goal *schema.Workload) {
	r := &p.facts.Jobs[at].Runs[k]
	if r.Outcome == RunUnderWay && r.Work != goal && !schema.SameText(r.Work, goal) {
		p.editRun(at, k).Work = goal
	}
}

func (p *pass) beginRun(i, at int, name string, goal *schema.Workload, digest schema.Digest) {
	j := p.editJob(at)
	r := Run{Name: name, Digest: digest, Work: goal, Commit: p.facts.Rollouts[i].Commit, Began: p.in.Now, Outcome: RunUnderWay,
		First: p.freeSlots(i, at, goal.Completions), Slots: make([]RunSlot, goal.Completions)}
	j.Runs = append(j.Runs, r)
	p.ownRuns[runKey{j.Workload, name}] = true
	if goal.Kind != schema.Job {
		return
	}
	if j.Ran = append(j.Ran, name); len(j.Ran) > MaxRan {
		j.Ran = slices.Clone(j.Ran[len(j.Ran)-MaxRan:])
	}
}

// freeSlots is the lowest index from which so many slots are nobody's.
func (p *pass) freeSlots(i, at, count int) (first int) {
	group := p.groupAt(i)
	for moved := true; moved; {
		moved = false
		for _, r := range p.facts.Jobs[at].Runs {
			if first < r.First+len(r.Slots) && r.First < first+count {
				first, moved = r.First+len(r.Slots), true
			}
		}
		for j := range group {
			if index := group[j].slot().Index; index >= first && index < first+count {
				first, moved = index+1, true
			}
		}
	}
	return first
}

func (p *pass) endRun(at, k int, outcome RunOutcome, reason string) {
	r := p.editRun(at, k)
	r.Outcome, r.Reason, r.Ended = outcome, reason, p.in.Now
}

// closeRuns ends what is under way of a workload that is no job any more.
func (p *pass) closeRuns(i int, goal *schema.Workload) {
	at, known := findJob(p.facts.Jobs, p.facts.Rollouts[i].Workload)
	if !known || goal != nil && goal.Kind.Runs() {
		return
	}
	why := "its workload left the repository"
	if goal != nil {
		why = "its workload is of kind " + string(goal.Kind) + " now"
	}
	for k := range p.facts.Jobs[at].Runs {
		if p.facts.Jobs[at].Runs[k].Outcome == RunUnderWay {
			p.endRun(at, k, RunSuperseded, why)
		}
	}
}

// judgeRun ends a run that is complete, has failed or took too long.
func (p *pass) judgeRun(at, k int) {
	r := &p.facts.Jobs[at].Runs[k]
	if r.Outcome != RunUnderWay {
		return
	}
	if r.Completed() == len(r.Slots) {
		p.endRun(at, k, RunCompleted, "")
		return
	}
	for s := range r.Slots {
		if slot := &r.Slots[s]; !slot.Completed && slot.Failures >= r.Work.Attempts && !slot.busy() {
			p.endRun(at, k, RunFailed, r.failedText(s))
			return
		}
	}
	if r.Work.Deadline == 0 {
		return
	}
	if end := r.Began.Add(r.Work.Deadline.D()); end.After(p.in.Now) {
		p.wakeAt(end)
		return
	}
	p.endRun(at, k, RunFailed, fmt.Sprintf("%d of %d slots were complete at its deadline of %s", r.Completed(), len(r.Slots), r.Work.Deadline))
}

func (r *Run) failedText(s int) string {
	slot := &r.Slots[s]
	text := fmt.Sprintf("%s on %s: %s", schema.Slot{Workload: r.Work.Name, Index: r.First + s}, slot.Node, slot.Text)
	if slot.Failures > 1 {
		text += fmt.Sprintf(" (%d attempts failed)", slot.Failures)
	}
	return text
}
