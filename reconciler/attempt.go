package reconciler

import (
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// observeRuns takes in what became of a workload's attempts, whatever the
// workload is now: what has ended is recorded before anything follows from it.
func (p *pass) observeRuns(i int) {
	at, known := findJob(p.facts.Jobs, p.facts.Rollouts[i].Workload)
	if !known {
		return
	}
	for k := range p.facts.Jobs[at].Runs {
		r := &p.facts.Jobs[at].Runs[k]
		for s := range r.Slots {
			if r.Slots[s].Attempt > 0 && (r.Slots[s].busy() || !r.Slots[s].Completed) {
				p.observeSlot(i, at, k, s)
			}
		}
	}
}

// ofSlot are the entries of one slot of the i-th rollout.
func (p *pass) ofSlot(i, index int) []entry {
	group := p.groupAt(i)
	from, _ := slices.BinarySearchFunc(group, index, func(e entry, index int) int { return e.slot().Index - index })
	mine, _ := cut(group[from:], index)
	return mine
}

func (p *pass) observeSlot(i, at, k, s int) {
	r := &p.facts.Jobs[at].Runs[k]
	mine := p.ofSlot(i, r.First+s)
	for j := range mine {
		if e := &mine[j]; !r.Slots[s].Completed && p.cameThrough(e, r) {
			// An attempt that was given up with its node counts no less.
			slot := &p.editRun(at, k).Slots[s]
			slot.Completed, slot.ExitCode, slot.Text = true, 0, ""
		}
	}
	if slot := &p.facts.Jobs[at].Runs[k].Slots[s]; slot.busy() {
		p.observeAttempt(i, at, k, s, p.attemptOf(mine, slot))
	}
}

// attemptOf is the newest attempt's entry; nil where there is none.
func (p *pass) attemptOf(mine []entry, slot *RunSlot) *entry {
	for j := range mine {
		if e := &mine[j]; e.order != nil && e.order.ID == slot.Instance && p.nodes[e.node].fact.Name == slot.Node {
			return e
		}
	}
	return nil
}

// cameThrough is whether an attempt of the run exited with 0.
func (p *pass) cameThrough(e *entry, r *Run) bool {
	code, ended := ranOut(e)
	return ended && code == 0 && e.text() != nil && e.text().Env[envRun] == r.Name
}

// ranOut is whether a report shows that the instance's program has ended by
// itself. It is never started again, so that any report counts, however old.
func ranOut(e *entry) (code int, ended bool) {
	if e.inst == nil || e.inst.Phase < nodes.Stopping || e.inst.Failure == nil {
		return 0, false
	}
	switch e.inst.Failure.Code {
	case nodes.Exited, nodes.OOMKilled, nodes.CommandNotFound:
		return e.inst.Failure.ExitCode, true
	}
	return 0, false
}

// observeAttempt records how the newest attempt of a slot ended, if it has.
func (p *pass) observeAttempt(i, at, k, s int, e *entry) {
	if e == nil { // an operator took its node out of the cluster
		p.endAttempt(at, k, s, p.in.Now, "its node is no part of the cluster any more")
		return
	}
	code, ended := ranOut(e)
	switch {
	case ended:
		p.attemptRanOut(at, k, s, code, e.inst.Failure)
	case e.order.Stop:
		p.observeStop(i, at, k, s, e)
	default:
		p.observeStart(i, at, k, s, e)
	}
}

func (p *pass) endAttempt(at, k, s int, when time.Time, text string) *RunSlot {
	slot := &p.editRun(at, k).Slots[s]
	slot.Ended = when
	if !slot.Completed {
		slot.Text = text
	}
	return slot
}

// attemptRanOut is one that ended by itself, well or not.
func (p *pass) attemptRanOut(at, k, s, code int, f *nodes.Failure) {
	when := p.in.Now
	if f.At.Before(when) && f.At.After(p.facts.Jobs[at].Runs[k].Slots[s].Began) {
		when = f.At
	}
	slot := p.endAttempt(at, k, s, when, f.Text)
	if slot.Completed {
		return // now, or by an earlier attempt
	}
	slot.ExitCode = code
	slot.Failures++
}

// observeStop ends an attempt that was told to stop once it is known to be gone,
// or cannot be asked and need not be waited for.
func (p *pass) observeStop(i, at, k, s int, e *entry) {
	r := &p.facts.Jobs[at].Runs[k]
	gone := p.gone(e)
	if !gone && !p.lostForGood(e, r) {
		p.tellWait(i, e, r)
		return
	}
	if e.order.Reason != nodes.GivenUp {
		p.endAttempt(at, k, s, p.in.Now, string(e.order.Reason))
		return
	}
	slot := p.endAttempt(at, k, s, p.in.Now, r.Slots[s].Text) // which says why
	if !slot.Completed {
		slot.Failures++
	}
}

// lostForGood is whether the attempt's node is lost, and the run may go on as if
// the attempt had ended.
func (p *pass) lostForGood(e *entry, r *Run) bool {
	return !p.paused && r.retries() && p.over(e, r.Work)
}

// observeStart gives an attempt up that cannot be started, since only the server
// can tell what follows.
func (p *pass) observeStart(i, at, k, s int, e *entry) {
	r := &p.facts.Jobs[at].Runs[k]
	p.tellWait(i, e, r)
	if e.inst == nil || e.inst.Failure == nil || !p.told(e) || p.frozen(e.order.Slot.Workload) {
		return
	}
	f := e.inst.Failure
	switch {
	case f.Code == nodes.PortInUse && p.rechoosable(e, e.order.Workload):
		p.wants = append(p.wants, want{version: version{e.order.Workload, e.order.Digest}, request: p.requestAt(e, e.order.Workload), rollout: i, reorder: e, reason: nodes.PortConflict})
	case f.Count >= failuresToGiveUp && hopeless(f.Code) && e.inst.Phase < nodes.Running:
		p.editRun(at, k).Slots[s].Text = f.Text
		p.retire(e, nodes.GivenUp)
	}
}

// tellWait tells that a run waits for a node that is lost, since an attempt may
// still be running there.
func (p *pass) tellWait(i int, e *entry, r *Run) {
	n := &p.nodes[e.node]
	if r.retries() {
		p.tellLease(e, r.Work)
		return
	}
	if !p.lost(n, r.Work) {
		return
	}
	name := n.fact.Name
	p.outcome[i].waiting = fmt.Sprintf("%s waits for %s, which is silent and may be running it", e.order.Slot, name)
	p.blocked = append(p.blocked, Blocked{Workload: e.order.Slot.Workload, Slot: e.order.Slot, Code: "job-on-lost-node",
		Text: fmt.Sprintf("its attempt is on %s, which is silent and may be running it; with onLost \"wait\" it is not repeated elsewhere", name),
		Next: fmt.Sprintf("bring %s back, or take it out of the cluster: bayplan node rm %s", name, name)})
}
