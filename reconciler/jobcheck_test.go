package reconciler_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// TestReconcile_AnyJobs plays random histories of jobs and crons alone: so many
// are superseded, lost, late and cut off half way that what is wrong with any of
// it shows (I5, I6, I24).
func TestReconcile_AnyJobs(t *testing.T) {
	evicted := 0
	rapid.Check(t, func(rt *rapid.T) {
		f := newFleet(t)
		f.t, f.jobsOnly = failing{t, rt}, true
		for i := range rapid.IntRange(2, 3).Draw(rt, "nodes") {
			f.add(fmt.Sprintf("n%d", i), []string{"a", "b"}[i%2])
		}
		a := actions{f}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": a.commit, "commit again": a.commit, "commit once more": a.commit, "work": a.work, "work more": a.work, "work on": a.work, "work late": a.work,
			"cut": a.cut, "join": a.join, "crash": a.crash, "restart": a.restart, "agent": a.agent, "engine": a.engine,
		})
		f.recover()
		f.letGo()
		f.settleForGood()
		evicted += f.past.evicted
	})
	t.Logf("%d attempts made room for others", evicted)
}

func (a actions) anyJob(t *rapid.T, name string) schema.Workload {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	return a.job(t, append([]string{name, "image=" + pick("image", "1", "2", "3", "bad"), "cpu=" + pick("cpu", "100m", "900m", "1800m")}, strings.Fields(pick("kind", "kind=job", "kind=job completions=3 parallelism=2", "kind=cron"))...))
}

// job is any job or cron. A cron fires in the first quarter of an hour alone, so
// that a history comes to an end.
func (a actions) job(t *rapid.T, fields []string) schema.Workload {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	fields = append(fields, "schedule=0-14_3_2_1_*", pick("on lost", "onLost=wait", "onLost=retry"), pick("attempts", "attempts=1", "attempts=3"),
		pick("keep", "kept=1", "kept=2"), pick("overlap", "overlap=forbid", "overlap=allow", "overlap=replace"))
	for _, f := range []string{pick("deadline", "", "", "deadline=1m"), pick("on", "", "", "on=zone:a"), pick("port", "", "", "port=http:80"),
		pick("priority", "", "", "priority=-1", "priority=1"), pick("revocable", "", "", "revocable=yes"), pick("gang", "", "", "gang=yes"), pick("pool", "", "", "pool=part")} {
		if f != "" {
			fields = append(fields, f)
		}
	}
	return parseWorkload(nil, fields)
}

// runOn moves an attempt of a job one step on: it starts, runs, and exits.
func (f *fleet) runOn(m *machine, x *nodes.Instance, w *schema.Workload) {
	switch {
	case x.Phase == nodes.Running:
		code := 0
		if m.sick || strings.HasSuffix(w.Image, "bad") {
			code = 3
		}
		next := *x
		exit(&next, code, f.now)
		m.insts[x.ID] = &next
	case x.Phase < nodes.Running:
		m.insts[x.ID] = f.moved(*x, nodes.Running, nodes.NoCheck)
		m.insts[x.ID].Failure = nil
	}
}

// runsOut is whether the instance is an attempt of a job, as its machine knows.
func runsOut(m *machine, id string) bool {
	i := slices.IndexFunc(m.held.Orders, func(o nodes.Order) bool { return o.ID == id })
	return i >= 0 && m.held.Orders[i].Workload != nil && m.held.Orders[i].Workload.Kind.Runs()
}

// history is what was ever recorded of runs, however little the facts keep.
type history struct {
	completed map[string]bool // "workload run slot"
	begun     map[string]bool // "workload run"
	live      map[string]bool // the runs of the newest facts
	retried   map[string]bool // "workload run slot" that ever might be repeated while running
	evicted   int             // attempts that made room
}

// checkRuns holds what is recorded of runs, and what the machines really do,
// against I5, I6, I24 and I32.
func (f *fleet) checkRuns(in reconciler.Input, p *reconciler.Plan) {
	if f.past.completed == nil {
		f.past = history{completed: map[string]bool{}, begun: map[string]bool{}, live: map[string]bool{}, retried: map[string]bool{}}
	}
	f.checkCompleted(in, p)
	f.checkBegun(p)
	f.checkKept(p)
	f.checkAlone(p)
	f.checkDone(p)
	f.checkEvicted(in, p)
}

// checkCompleted: what is recorded as completed stays so and is never placed
// again (I5).
func (f *fleet) checkCompleted(in reconciler.Input, p *reconciler.Plan) {
	for i := range p.Facts.Nodes {
		for _, o := range p.Facts.Nodes[i].Assignment.Orders {
			if o.Workload == nil || !o.Workload.Kind.Runs() || orderOf(nodeFact(&in.Facts, p.Facts.Nodes[i].Name), o.ID) != nil {
				continue
			}
			if key := attemptKey(&o); f.past.completed[key] {
				f.t.Fatalf("I5: %s is complete, and %s is placed", key, o.ID)
			}
		}
	}
	eachSlot(&p.Facts, func(j *reconciler.JobFact, r *reconciler.Run, s int) {
		key := fmt.Sprintf("%s %s %d", j.Workload, r.Name, s)
		if f.past.completed[key] && !r.Slots[s].Completed {
			f.t.Fatalf("I5: %s was complete and is not", key)
		}
		f.past.completed[key] = f.past.completed[key] || r.Slots[s].Completed
		f.past.retried[key] = f.past.retried[key] || r.Work.OnLost == schema.RetryElsewhere
	})
}

func attemptKey(o *nodes.Order) string {
	env := o.Workload.Env
	return o.Slot.Workload + " " + env["BAYPLAN_RUN"] + " " + env["BAYPLAN_INDEX"]
}

func eachSlot(facts *reconciler.Facts, do func(j *reconciler.JobFact, r *reconciler.Run, s int)) {
	for i := range facts.Jobs {
		j := &facts.Jobs[i]
		for k := range j.Runs {
			for s := range j.Runs[k].Slots {
				do(j, &j.Runs[k], s)
			}
		}
	}
}

// checkBegun: no run begins twice (I5, I24), but one of which nothing was ever
// ordered.
func (f *fleet) checkBegun(p *reconciler.Plan) {
	now := map[string]bool{}
	for i := range p.Facts.Jobs {
		for k := range p.Facts.Jobs[i].Runs {
			r := &p.Facts.Jobs[i].Runs[k]
			key := p.Facts.Jobs[i].Workload + " " + r.Name
			now[key] = true
			if f.past.begun[key] && !f.past.live[key] {
				f.t.Fatalf("I24: run %s begins anew", key)
			}
			if slices.ContainsFunc(r.Slots, func(s reconciler.RunSlot) bool { return s.Attempt > 0 }) {
				f.past.begun[key] = true
			}
		}
		if j := &p.Facts.Jobs[i]; len(j.Ran) > reconciler.MaxRan || len(j.Runs) > 30 {
			f.t.Fatalf("I35: %s remembers %d names and %d runs", j.Workload, len(j.Ran), len(j.Runs))
		}
	}
	f.past.live = now
}

// checkKept: what counts as ended does not run (I3, I32).
func (f *fleet) checkKept(p *reconciler.Plan) {
	for _, m := range f.machines {
		n := nodeFact(&p.Facts, m.node.Name)
		if n == nil {
			continue
		}
		for i := range n.Assignment.Orders {
			o := &n.Assignment.Orders[i]
			if x := m.insts[o.ID]; p.Facts.Ended(n.Name, o) && !o.Stop && x != nil && x.Phase < nodes.Stopped {
				f.t.Fatalf("I3: %s on %s counts as ended and is %s", o.ID, n.Name, x.Phase)
			}
		}
	}
}

// checkAlone: of one slot of a run no two attempts run at once, and none beside
// another run's of the same job, unless the job says so (I6).
func (f *fleet) checkAlone(p *reconciler.Plan) {
	alive := map[string]string{}
	for _, m := range f.machines {
		for i := range m.held.Orders {
			o := &m.held.Orders[i]
			x := m.insts[o.ID]
			if o.Workload == nil || !o.Workload.Kind.Runs() || x == nil || x.Phase >= nodes.Stopped || f.past.retried[attemptKey(o)] {
				continue
			}
			keys := []string{attemptKey(o)}
			if r := rolloutOf(&p.Facts, o.Slot.Workload); o.Workload.Kind == schema.Job && goalOf(r) != nil && goalOf(r).Kind == schema.Job {
				keys = append(keys, o.Slot.Workload)
			}
			for _, key := range keys {
				here := o.Workload.Env["BAYPLAN_RUN"] + " attempt " + o.Workload.Env["BAYPLAN_ATTEMPT"] + " on " + m.node.Name
				sameRun := strings.HasPrefix(alive[key], o.Workload.Env["BAYPLAN_RUN"]+" ") && key == o.Slot.Workload
				if was := alive[key]; was != "" && !sameRun {
					f.t.Fatalf("I6: of %s both %s and %s are alive", key, was, here)
				}
				alive[key] = here
			}
		}
	}
}

// checkDone: a job is done when its run is recorded as complete, and not before.
func (f *fleet) checkDone(p *reconciler.Plan) {
	for i := range p.Facts.Rollouts {
		r := &p.Facts.Rollouts[i]
		if r.Stage != reconciler.Done || r.Want.Kind != schema.Job {
			continue
		}
		j := p.Facts.Job(r.Workload)
		if j == nil || !slices.Contains(j.Ran, r.Target.Short()) {
			f.t.Fatalf("I5: %s is done and never ran", r.Workload)
		}
		for k := range j.Runs {
			if x := &j.Runs[k]; x.Name == r.Target.Short() && x.Completed() != len(x.Slots) {
				f.t.Fatalf("I5: %s is done and %d of %d are complete", r.Workload, x.Completed(), len(x.Slots))
			}
		}
	}
}

// wrongEnd is why an attempt should not have been told to stop as it was; empty if
// it should.
func (f *fleet) wrongEnd(node string, old, o *nodes.Order, p *reconciler.Plan) string {
	j := p.Facts.Job(o.Slot.Workload)
	k := slices.IndexFunc(j.Runs, func(r reconciler.Run) bool { return r.Name == old.Workload.Env["BAYPLAN_RUN"] })
	if k < 0 {
		return "nothing is remembered of its run"
	}
	r := &j.Runs[k]
	index, _ := strconv.Atoi(old.Workload.Env["BAYPLAN_INDEX"])
	s := &r.Slots[index]
	switch o.Reason {
	case nodes.RunEnded:
		if r.Outcome != reconciler.RunFailed && !s.Completed {
			return "its run goes on"
		}
	case nodes.Replaced:
		if r.Outcome != reconciler.RunSuperseded {
			return "its run is not superseded"
		}
	case nodes.NotKept:
		if was := *old; !p.Facts.Ended(node, &was) {
			return "it has not ended"
		}
	case nodes.GivenUp:
		if x := f.heard.Node(node).Report.Instance(old.ID); x == nil || x.Phase >= nodes.Running || x.Failure.Count < 5 {
			return "it can be started"
		}
	}
	return ""
}
