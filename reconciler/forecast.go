package reconciler

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// Forecast is where a commit would lead if all went well.
type Forecast struct {
	// Facts are those at the end: every node's orders and every rollout.
	Facts Facts
	// Scores tell how each new place was chosen.
	Scores map[schema.Slot]scheduler.Score
	// Evicted are the stops that make room for others, in the order in which they
	// would come.
	Evicted []Change
	// Blocked is what could not go on at the end.
	Blocked []Blocked
	// Peak is the most that was held of each pool on the way, old and new side by
	// side, as [Used] tells it.
	Peak []Usage
	// Refused are the errors of teams that evaluate and would stay as they are all
	// the same.
	Refused []string
	// Held is why the commit would wait for approval; the forecast goes on as
	// if it had been given.
	Held string
	// Passes is how many decisions it took; Complete is false where the
	// forecast was cut off at maxForecast.
	Passes   int
	Complete bool
}

// maxForecast bounds the passes of a forecast.
const maxForecast = 5000

// Foresee runs the production decision forward over a fleet in which every
// order is carried out at once and every instance is healthy, until nothing
// changes: the preview of a commit. Silent nodes stay as silent as they are.
func Foresee(in Input) Forecast {
	f := Forecast{Scores: map[schema.Slot]scheduler.Score{}, Peak: Used(&in.Facts)}
	in.Scratch = &Scratch{}
	for f.Passes < maxForecast {
		plan := Reconcile(in)
		f.Passes++
		in.Facts, f.Facts, f.Blocked = plan.Facts, plan.Facts, plan.Blocked
		if len(plan.Assignments) > 0 {
			f.Peak = highest(f.Peak, Used(&plan.Facts))
		}
		for _, c := range plan.Changes {
			if !c.Stop {
				f.Scores[c.Slot] = c.Score
			} else if c.Reason == nodes.Evicted {
				f.Evicted = append(f.Evicted, c)
			}
		}
		if c := heldNow(&in, &plan.Facts); f.Held == "" && c != nil {
			f.Held = c.Reason
			in.Facts.Approvals = append(slices.Clone(in.Facts.Approvals), Approval{Commit: c.Revision.Commit, Repo: c.Repo, At: in.Now})
			continue
		}
		f.Refused = refusedNow(&in, &plan.Facts)
		if !plan.FactsChanged {
			hastened, more := hasten(&plan, in.Now)
			if !more {
				f.Complete = true
				return f
			}
			in.Facts = hastened
		}
		in.Observed = Ideal(&plan.Facts, in.Observed, in.Now)
	}
	return f
}

// heldNow is the commit that is asked for and held; nil for none.
func heldNow(in *Input, f *Facts) *Commit {
	for _, a := range in.Asks() {
		if c := f.LastCommit(a.Repo); c != nil && c.Outcome == Held && c.Revision.Commit == a.Desired.Revision.Commit {
			return c
		}
	}
	return nil
}

func refusedNow(in *Input, f *Facts) (errors []string) {
	for _, a := range in.Asks() {
		part := f.Part(a.Repo)
		errors = append(errors, Refused(&a.Desired, &part)...)
	}
	return errors
}

// hasten has every update that halts go on, and every old set that is kept have
// been kept for long enough; more is whether there was any. Where a step is to be
// checked its pause is over, and a check that finds no place is not gone past.
func hasten(p *Plan, now time.Time) (f Facts, more bool) {
	f = p.Facts
	for i := range f.Rollouts {
		r := f.Rollouts[i]
		at, halts := r.halts()
		switch halts = halts && !r.Ready.IsZero(); {
		case halts && len(r.Checks()) > 0 && r.Ready.Add(at.pause).After(now):
			r.Ready = now.Add(-at.pause)
		case halts && r.Checking() && p.findsNoPlace(r.Workload):
			continue
		case halts:
			r = r.goOn(nil, now)
		case r.Stage == Keeping:
			r = r.done(now)
		default:
			continue
		}
		if !more {
			f.Rollouts, more = slices.Clone(f.Rollouts), true
		}
		f.Rollouts[i] = r
	}
	return f, more
}

// findsNoPlace is whether anything of the workload waits for a place.
func (p *Plan) findsNoPlace(workload string) bool {
	return slices.ContainsFunc(p.Blocked, func(b Blocked) bool { return b.Workload == workload && b.Code == "unplaced" })
}

// LastCommit is a repository's commit in work, its newest; nil for none.
func (f *Facts) LastCommit(repo string) *Commit {
	if at := lastOf(f.Commits, repo); at >= 0 {
		return &f.Commits[at]
	}
	return nil
}

// Ideal is what the nodes that answer would report had they carried out every
// order long ago: what is to stay serves, and what is to end has ended well.
func Ideal(f *Facts, observed nodes.Snapshot, now time.Time) nodes.Snapshot {
	s := nodes.Snapshot{Nodes: slices.Clone(observed.Nodes)}
	for i := range s.Nodes {
		seen := &s.Nodes[i]
		at, known := slices.BinarySearchFunc(f.Nodes, seen.Report.Node.Name, compareNodeFact)
		if !known || now.Sub(seen.At) >= UnreachableAfter {
			continue
		}
		a := &f.Nodes[at].Assignment
		seen.Report.Seen, seen.Report.Inventory = a.Version, true
		seen.Report.Instances = idealInstances(a, now)
		seen.Report.Deleted = idealDeleted(a)
	}
	return s
}

func idealDeleted(a *nodes.Assignment) (all []nodes.Deleted) {
	for i := range a.Deletions {
		all = append(all, nodes.Deleted{Slot: a.Deletions[i].Slot, Gone: true})
	}
	return all
}

func idealInstances(a *nodes.Assignment, now time.Time) []nodes.Instance {
	out := make([]nodes.Instance, 0, len(a.Orders))
	for i := range a.Orders {
		o := &a.Orders[i]
		if o.Stop {
			continue
		}
		if o.Step != nil {
			out = append(out, nodes.Instance{ID: o.ID, Slot: o.Slot, Digest: o.Digest, Phase: nodes.Stopped, Since: now, Outcome: &nodes.Outcome{Passed: true}})
			continue
		}
		health, since := nodes.NoCheck, now
		if o.Workload != nil {
			since = now.Add(-max(time.Hour, o.Workload.Update.MinHealthyTime.D()))
		}
		if o.Workload != nil && o.Workload.Health != nil {
			health = nodes.Healthy
		}
		x := nodes.Instance{ID: o.ID, Slot: o.Slot, Digest: o.Digest, Phase: nodes.Running,
			Health: health, Ports: o.Ports, Since: since, Started: since}
		if o.Workload != nil && o.Workload.Kind.Runs() {
			x.Phase, x.Health = nodes.Stopped, nodes.HealthUnknown
			x.Failure = &nodes.Failure{Code: nodes.Exited, Text: "exited with code 0", At: now, Count: 1}
		}
		out = append(out, x)
	}
	return out
}
