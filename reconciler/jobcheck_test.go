package reconciler_test

import (
	"fmt"
	"slices"
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
	retried map[string]bool // "workload run slot" that ever might be repeated while running
	evicted int             // attempts that made room
}

// checkRuns holds what is recorded of runs, and what the machines really do,
// against I5, I6, I24 and I32.
func (f *fleet) checkRuns(in reconciler.Input, p *reconciler.Plan) {
	if f.past.retried == nil {
		f.past = history{retried: map[string]bool{}}
	}
	eachSlot(&p.Facts, func(j *reconciler.JobFact, r *reconciler.Run, s int) {
		key := fmt.Sprintf("%s %s %d", j.Workload, r.Name, s)
		f.past.retried[key] = f.past.retried[key] || r.Work.OnLost == schema.RetryElsewhere
	})
	f.checkKept(p)
	f.checkAlone(p)
	f.checkEvicted(in, p)
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
