package reconciler

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// stopAttempts stops what runs on after its run, or its slot, has come to an end.
func (p *pass) stopAttempts(i, at, k int) {
	r := &p.facts.Jobs[at].Runs[k]
	for s := range r.Slots {
		slot := &r.Slots[s]
		if !slot.busy() || r.Outcome == RunUnderWay && !slot.Completed {
			continue
		}
		if e := p.attemptOf(p.ofSlot(i, r.First+s), slot); e != nil {
			why := nodes.RunEnded
			if r.Outcome == RunSuperseded {
				why = nodes.Replaced
			}
			p.retire(e, why)
		}
	}
}

// mayFill is whether a run may begin attempts now. One waits until nothing of
// those before it can be running, but for a cron whose runs may overlap, and
// until what the workload ran before it was a job has gone.
func (p *pass) mayFill(i, at, k int, goal *schema.Workload) bool {
	runs := p.facts.Jobs[at].Runs
	if runs[k].Outcome != RunUnderWay || !p.outcome[i].gate.start {
		return false
	}
	if p.outcome[i].left > 0 {
		p.outcome[i].waiting = "what ran before it is ending"
		return false
	}
	if goal.Kind == schema.Cron && goal.Overlap == schema.AllowOverlap {
		return true
	}
	for other := range runs {
		if other != k && runs[other].stirs() {
			if p.outcome[i].waiting == "" {
				p.outcome[i].waiting = "run " + runs[other].Name + " is ending"
			}
			return false
		}
	}
	return true
}

// fillRun asks for places for the attempts that are due, as many as may run at
// once.
func (p *pass) fillRun(i, at, k int) {
	r := &p.facts.Jobs[at].Runs[k]
	room := r.Work.Parallelism
	for s := range r.Slots {
		if r.Slots[s].busy() {
			room--
		}
	}
	for s := range r.Slots {
		slot := &r.Slots[s]
		if slot.busy() {
			p.repeatLost(i, at, k, s)
			continue
		}
		if slot.Completed || room <= 0 || !p.afterBackoff(r, slot) {
			continue
		}
		room--
		p.wantAttempt(i, at, k, s, nil)
	}
}

// afterBackoff is whether the wait after the slot's last failure is over.
func (p *pass) afterBackoff(r *Run, slot *RunSlot) bool {
	if slot.Failures == 0 {
		return true
	}
	wait, most := r.Work.Backoff.D(), r.Work.MaxBackoff.D()
	for n := 1; n < slot.Failures && wait < most; n++ {
		wait *= 2
	}
	next := slot.Ended.Add(min(wait, most))
	p.wakeAt(next)
	return !next.After(p.in.Now)
}

// repeatLost asks for another attempt where the node of the present one is lost
// and the job says that it may be repeated while that may still be running.
func (p *pass) repeatLost(i, at, k, s int) {
	r := &p.facts.Jobs[at].Runs[k]
	slot := &r.Slots[s]
	e := p.attemptOf(p.ofSlot(i, r.First+s), slot)
	if e == nil || e.order.Stop || slot.Completed || !p.lostForGood(e, r) {
		return
	}
	p.wantAttempt(i, at, k, s, e)
}

func (p *pass) wantAttempt(i, at, k, s int, lost *entry) {
	r := &p.facts.Jobs[at].Runs[k]
	slot := &r.Slots[s]
	why := nodes.Created
	switch {
	case lost != nil:
		why = nodes.NodeLost
	case slot.Attempt > 0:
		why = nodes.Retried
	}
	of := schema.Slot{Workload: r.Work.Name, Index: r.First + s}
	p.wants = append(p.wants, want{rollout: i, reason: why, run: &runWant{r.Name, s, lost},
		request: scheduler.Request{Slot: of, Workload: r.Work, Except: p.deletingOn(of)}})
}

// runWant is the slot of a run that a want is for, and the lost attempt that it
// would replace.
type runWant struct {
	name string
	slot int
	lost *entry
}

// runFor is the run that a want is for.
func (p *pass) runFor(w *want) *Run {
	at, _ := findJob(p.facts.Jobs, w.request.Workload.Name)
	k := slices.IndexFunc(p.facts.Jobs[at].Runs, func(r Run) bool { return r.Name == w.run.name })
	return p.editRun(at, k)
}

// attempted records that a slot's next attempt is ordered, and tells the one that
// it replaces to stop once its node returns.
func (p *pass) attempted(w *want, id, node string) {
	if w.run.lost != nil { // while it is the newest: it may still be running
		p.retire(w.run.lost, nodes.NodeLost)
	}
	slot := &p.runFor(w).Slots[w.run.slot]
	slot.Attempt++
	slot.Instance, slot.Node, slot.Began, slot.Ended = id, node, p.in.Now, time.Time{}
	slot.ExitCode, slot.Text = 0, ""
}
