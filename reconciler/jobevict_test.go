package reconciler_test

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
)

// checkEvicted: an attempt that made room for others, and did not end by itself
// before, is no failed one, and ends no run (I5).
func (f *fleet) checkEvicted(in reconciler.Input, p *reconciler.Plan) {
	eachSlot(&in.Facts, func(j *reconciler.JobFact, r *reconciler.Run, s int) {
		was := &r.Slots[s]
		k := slices.IndexFunc(p.Facts.Job(j.Workload).Runs, func(x reconciler.Run) bool { return x.Name == r.Name })
		if k < 0 || !f.madeRoom(in, was) {
			return
		}
		run := &p.Facts.Job(j.Workload).Runs[k]
		now := &run.Slots[s]
		if now.Ended.IsZero() || now.Completed {
			return
		}
		f.past.evicted++
		if now.Failures != was.Failures {
			f.t.Fatalf("I5: %s slot %d of run %s made room, and counts %d failures, %d before", j.Workload, s, r.Name, now.Failures, was.Failures)
		}
		spent := func(x reconciler.RunSlot) bool { return x.Failures >= r.Work.Attempts }
		if r.Outcome == reconciler.RunUnderWay && run.Outcome == reconciler.RunFailed && r.Work.Deadline == 0 && !slices.ContainsFunc(run.Slots, spent) {
			f.t.Fatalf("I5: %s run %s failed when slot %d made room: %s", j.Workload, r.Name, s, run.Reason)
		}
	})
}

// madeRoom is whether the slot's attempt, which is not known to have ended, was
// told to make room, and nothing is heard of an end of its own.
func (f *fleet) madeRoom(in reconciler.Input, s *reconciler.RunSlot) bool {
	n := nodeFact(&in.Facts, s.Node)
	if s.Attempt == 0 || !s.Ended.IsZero() || n == nil {
		return false
	}
	o := orderOf(n, s.Instance)
	if o == nil || !o.Stop || o.Reason != nodes.Evicted {
		return false
	}
	heard := in.Observed.Node(s.Node)
	if heard == nil {
		return true
	}
	x := heard.Report.Instance(s.Instance)
	return x == nil || x.Failure == nil
}
