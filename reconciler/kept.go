package reconciler

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// keepRuns keeps the containers of the newest runs that have ended, and takes
// those of the others away, with what is remembered of them once they are gone.
func (p *pass) keepRuns(i, at, keep int) {
	ended := 0
	for k := len(p.facts.Jobs[at].Runs) - 1; k >= 0; k-- {
		if p.facts.Jobs[at].Runs[k].Live() {
			continue
		}
		untried := p.facts.Jobs[at].Runs[k].untried()
		if !untried {
			ended++
		}
		if (untried || ended > keep) && p.dropRun(i, at, k) {
			p.forgetRun(at, k, untried)
		}
	}
	p.boundKept(i, at)
}

// untried is whether the run was superseded before anything of it was ordered.
func (r *Run) untried() bool {
	return r.Outcome == RunSuperseded && !slices.ContainsFunc(r.Slots, func(s RunSlot) bool { return s.Attempt > 0 })
}

// forgetRun lets go of a run. What never began may still be begun.
func (p *pass) forgetRun(at, k int, untried bool) {
	j := p.editJob(at)
	name := j.Runs[k].Name
	j.Runs = slices.Delete(j.Runs, k, k+1)
	if untried {
		j.Ran = slices.DeleteFunc(j.Ran, func(ran string) bool { return ran == name })
	}
}

// dropRun is whether nothing is left of a run that is not kept any more.
func (p *pass) dropRun(i, at, k int) bool {
	r := &p.facts.Jobs[at].Runs[k]
	gone := true
	for s := range r.Slots {
		if r.Slots[s].Attempt == 0 {
			continue
		}
		mine := p.ofSlot(i, r.First+s)
		for j := range mine {
			p.retireOrForget(&mine[j], nodes.NotKept)
			gone = gone && (mine[j].order == nil || p.gone(&mine[j]))
		}
	}
	return gone
}

// forgetVanished drops the orders of attempts that have ended and of which nothing is
// there: whoever got such an order would begin it anew (I5). It asks nobody, not even
// who holds the workload.
func (p *pass) forgetVanished() {
	for i := range p.sorted {
		e := &p.sorted[i]
		if e.order == nil || e.inst != nil || e.order.Stop || !p.nothingThere(e) || !p.facts.Ended(p.nodes[e.node].fact.Name, e.order) {
			continue
		}
		e.retired = true
		p.edit(edit{node: e.node, order: *e.order, drop: true})
	}
}

// nothingThere is whether the node's agent knows nothing of what it does not tell of:
// it is not in its inventory, or the agent holds no order at all, as on a machine
// that was set up anew.
func (p *pass) nothingThere(e *entry) bool {
	n := &p.nodes[e.node]
	return n.fresh() && (n.seen.Report.Inventory || n.seen.Report.Seen == nodes.Version{})
}

// boundKept takes the oldest of too many ended containers away, and forgets the
// orders to stop that are done with.
func (p *pass) boundKept(i, at int) {
	group := p.groupAt(i)
	kept := 0
	for j := range group {
		e := &group[j]
		if e.order == nil || p.runOf(at, e) < 0 {
			continue
		}
		if e.order.Stop {
			p.forgetIfGone(e)
			continue
		}
		switch ended := p.facts.Ended(p.nodes[e.node].fact.Name, e.order); {
		case !ended || e.retired:
		case p.nodes[e.node].draining():
			p.retire(e, nodes.NotKept)
		default:
			kept++
		}
	}
	if kept > MaxKept {
		p.dropOldest(group, kept-MaxKept)
	}
}

func (p *pass) dropOldest(group []entry, count int) {
	var all []*entry
	for j := range group {
		e := &group[j]
		if e.order != nil && !e.order.Stop && !e.retired && p.facts.Ended(p.nodes[e.node].fact.Name, e.order) {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b *entry) int { return a.order.Placed.Compare(b.order.Placed) })
	for _, e := range all[:count] {
		p.retire(e, nodes.NotKept)
	}
}

// countRuns tells the rollout how far the newest run is.
func (p *pass) countRuns(i, at int) {
	runs := p.facts.Jobs[at].Runs
	if len(runs) == 0 {
		return
	}
	r := &runs[len(runs)-1]
	p.outcome[i].desired, p.outcome[i].settled = len(r.Slots), r.Completed()
	for s := range r.Slots {
		if r.Slots[s].Attempt > 0 {
			p.outcome[i].started++
		}
	}
}

// settleRun is a job's or cron's rollout after this pass: a job's is as its run
// is, and a cron's is done once it is known. Neither ever goes back.
func (p *pass) settleRun(r Rollout, goal *schema.Workload, digest schema.Digest) Rollout {
	stage, reason := Done, ""
	if goal.Kind == schema.Job {
		stage, reason = p.jobStage(goal, digest)
	}
	if r.Stage == Waiting {
		return r
	}
	if r.Stage == Reverting || r.Stage == Reverted {
		if stage != Rolling {
			r.Stage = Reverted
		}
		return r
	}
	if p.ownRuns[runKey{workload: goal.Name}] {
		r.Moved = p.in.Now // something of its runs did
	}
	if stage == Rolling {
		reason = p.standing(&r)
	}
	if stage == r.Stage && reason == r.Reason {
		return r
	}
	moved := stage != r.Stage
	r.Stage, r.Reason = stage, reason
	if moved {
		r.Moved = p.in.Now
	}
	if stage == Done {
		r.Good, r.GoodDigest = r.Want, r.Target
	}
	return r
}

// standingFor is how long a commit waits for a run that stands still before it has
// failed; the run waits on.
const standingFor = 10 * time.Minute

// standing is why a run gets no further, once it has not for so long: it finds no
// place, or its node is lost. A commit waits for a run as long as it runs, and not
// for ever where it does not.
func (p *pass) standing(r *Rollout) string {
	waiting := p.outcome[p.byName[r.Workload]].waiting
	if waiting == "" {
		return ""
	}
	if end := p.watched(r.Moved).Add(standingFor); end.After(p.in.Now) {
		p.wakeAt(end)
		return ""
	}
	return cmp.Or(r.Reason, waiting) // it may say something else in each pass
}

func (p *pass) jobStage(goal *schema.Workload, digest schema.Digest) (Stage, string) {
	j := p.facts.Job(goal.Name)
	if j == nil {
		return Rolling, ""
	}
	for k := range j.Runs {
		r := &j.Runs[k]
		switch {
		case r.Name != digest.Short():
		case r.Outcome == RunCompleted:
			return Done, ""
		case r.Outcome == RunFailed:
			return Stuck, r.Reason
		default:
			return Rolling, ""
		}
	}
	if slices.Contains(j.Ran, digest.Short()) {
		return Done, "run " + digest.Short() + " has been before, and no digest runs twice"
	}
	return Rolling, ""
}

// forgetJobs lets go of what is remembered of jobs that left the repository, as
// far as it is not needed any more, and of the oldest where they are many.
func (p *pass) forgetJobs() {
	gone := 0
	for at := 0; at < len(p.facts.Jobs); at++ {
		j := &p.facts.Jobs[at]
		if _, known := findRollout(p.facts.Rollouts, j.Workload); known {
			continue
		}
		gone++
		if j.Gone.IsZero() {
			j = p.editJob(at)
			j.Gone, j.Runs = p.in.Now, nil
		}
	}
	if gone <= MaxGoneJobs {
		return
	}
	p.editJobs()
	slices.SortStableFunc(p.facts.Jobs, func(a, b JobFact) int { return goneAt(&b).Compare(goneAt(&a)) })
	p.facts.Jobs = p.facts.Jobs[:len(p.facts.Jobs)-(gone-MaxGoneJobs)]
	slices.SortFunc(p.facts.Jobs, func(a, b JobFact) int { return strings.Compare(a.Workload, b.Workload) })
}

// goneAt is when the job left; one that is there counts as the newest of all.
func goneAt(j *JobFact) time.Time {
	if j.Gone.IsZero() {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return j.Gone
}
