package reconciler_test

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// TestForesee_IsWhatHappens: what a preview promises for a commit is what a
// fleet in which all goes well then does: the same places, ports and outcome.
func TestForesee_IsWhatHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFleet(failing{t, rt})
		for i := range rapid.IntRange(1, 4).Draw(rt, "nodes") {
			f.add(fmt.Sprintf("n%d", i), []string{"a", "b"}[i%2])
		}
		f.round(time.Second)
		for range rapid.IntRange(1, 4).Draw(rt, "commits") {
			f.pools = rapid.SampledFrom([][]schema.Pool{nil, somePools(1000, 500)}).Draw(rt, "pools")
			f.push(goodWorkloads(rt, f), nil)
			forecast := reconciler.Foresee(f.input())
			if !forecast.Complete {
				rt.Fatalf("the forecast was cut off after %d passes", forecast.Passes)
			}
			if forecast.Held != "" {
				f.facts.Approvals = append(slices.Clone(f.facts.Approvals), reconciler.Approval{Commit: f.desired.Revision.Commit})
			}
			if len(forecast.Blocked) > 0 {
				return // what waits runs into deadlines, which no preview waits for
			}
			f.atOnce(forecast.Passes + 2)
			if was, is := wanted(&forecast.Facts), wanted(&f.facts); !slices.Equal(was, is) {
				rt.Fatalf("foreseen:\n%s\nhappened:\n%s", strings.Join(was, "\n"), strings.Join(is, "\n"))
			}
			if was, is := forecast.Facts.Commits[len(forecast.Facts.Commits)-1].Outcome, f.commit().Outcome; was != is || was != reconciler.Applied && was != reconciler.NoEffect {
				rt.Fatalf("I34: nothing waits; the end is foreseen as %s, and is %s: %s", was, is, encode(f.t, f.undone()))
			}
		}
	})
}

// undone are the rollouts that are not done.
func (f *fleet) undone() []reconciler.Rollout {
	return slices.DeleteFunc(slices.Clone(f.facts.Rollouts), func(r reconciler.Rollout) bool { return r.Stage == reconciler.Done })
}

// atOnce plays rounds of a decision, then its orders carried out at once, then
// the time for which a new instance must be healthy.
func (f *fleet) atOnce(rounds int) {
	for range rounds {
		f.decide()
		for _, m := range f.machines {
			for range 3 {
				f.deliver(m)
				f.carryOut(m, func(id string) bool {
					return !runsOut(m, id) && !m.performs(id) && m.insts[id] != nil && m.insts[id].Phase == nodes.Running && !orderOf(nodeFact(&f.facts, m.node.Name), id).Stop
				})
			}
		}
		f.now = f.now.Add(11 * time.Second)
		for _, m := range f.machines {
			f.hear(m)
		}
	}
}

// goodWorkloads are any that start well and have room enough.
func goodWorkloads(t *rapid.T, f *fleet) (ws []schema.Workload) {
	a := actions{f}
	for _, name := range fleetNames {
		w := a.workload(t, name)
		w.Pinned = cmp.Or(w.Pinned, "img@9")
		w.Image, w.Pinned, w.Resources.CPU = strings.Replace(w.Image, "bad", "4", 1), strings.Replace(w.Pinned, "bad", "4", 1), 50
		if w.Update.Runbook != nil {
			w.Update.Runbook = cured(w.Update.Runbook)
		}
		w.Update = unhalted(w.Update)
		// Nor does a preview wait for who has to wait for others, through all of a
		// runbook's steps for one: no deadline ends that here.
		w.Update.ProgressDeadline = schema.Duration(24 * time.Hour)
		if w.Deadline = 0; w.Kind == schema.Cron {
			w.Schedule = "@yearly" // what fires while it goes on is not foreseen
		}
		if w.Retain > 0 { // nor whose time is over while it does
			w.Retain = schema.Duration(24 * time.Hour)
		}
		ws = append(ws, w)
	}
	slices.SortFunc(ws, func(x, y schema.Workload) int { return strings.Compare(x.Name, y.Name) })
	return ws
}

// unhalted is the update without what waits for an operator, or for longer than
// a round: a preview goes past that.
func unhalted(u schema.Update) schema.Update {
	if b := u.BlueGreen; b != nil {
		u.BlueGreen = &schema.BlueGreenUpdate{Promotion: "auto", Within: b.Within}
	}
	u.Canary = slices.Clone(u.Canary)
	for i := range u.Canary {
		u.Canary[i].Pause, u.Canary[i].Approve, u.Canary[i].Checks = 0, false, well(u.Canary[i].Checks)
	}
	return u
}

// wanted are the orders that are not to stop, as text, sorted.
func wanted(f *reconciler.Facts) (lines []string) {
	for i := range f.Nodes {
		for _, o := range f.Nodes[i].Assignment.Orders {
			if !o.Stop {
				lines = append(lines, fmt.Sprintf("%s %s %v", f.Nodes[i].Name, o.ID, o.Ports))
			}
		}
	}
	return lines
}

// TestForesee_LongHealthyTime: a slot that must be healthy for longer than any
// preview waits is foreseen all the same.
func TestForesee_LongHealthyTime(t *testing.T) {
	f := newFleet(t)
	f.add("n0", "a")
	f.round(time.Second)
	w := parseWorkload(t, []string{"a/one", "replicas=3"})
	w.Update.MinHealthyTime = schema.Duration(48 * time.Hour)
	f.push([]schema.Workload{w}, nil)
	got := reconciler.Foresee(f.input())
	if c := got.Facts.Commits[0]; !got.Complete || c.Outcome != reconciler.Applied {
		t.Errorf("complete %v, %s: %s", got.Complete, c.Outcome, c.Reason)
	}
}

// TestForesee_CheckFindsNoPlace: a check that would find no place is foreseen, and
// so is the end of one that does; a pause before it is not waited for.
func TestForesee_CheckFindsNoPlace(t *testing.T) {
	for cpu, want := range map[string]reconciler.Outcome{"cpu=500m": reconciler.Applied, "cpu=1000m": reconciler.Progressing} {
		t.Run(cpu, func(t *testing.T) {
			f := newFleet(t)
			f.add("n0", "a")
			f.round(time.Second)
			commit := func(image string) {
				f.push([]schema.Workload{parseWorkload(t, []string{"a/one", "replicas=2", "volume=data", cpu, image, "canary=1/15s", "checks=1:~load"})}, nil)
			}
			commit("image=1")
			f.atOnce(5)
			commit("image=2")
			got := reconciler.Foresee(f.input())
			if c := got.Facts.Commits[1]; !got.Complete || c.Outcome != want {
				t.Errorf("complete %v, %s: %s", got.Complete, c.Outcome, c.Reason)
			}
			if blocked := len(got.Blocked) > 0; blocked != (want == reconciler.Progressing) {
				t.Errorf("blocked: %s", encode(t, got.Blocked))
			}
		})
	}
}

// TestReconcile_OneTroublesNoOther: a workload that finds no place, has no
// image or never becomes healthy changes nothing about what becomes of others
// (I27).
func TestReconcile_OneTroublesNoOther(t *testing.T) {
	for name, fields := range map[string]string{
		"unplaceable": "on=zone:none", "too large": "cpu=900", "unhealthy": "image=bad check=/up cpu=1m", "exits": "image=bad cpu=1m",
	} {
		t.Run(name, func(t *testing.T) {
			alone := playBeside(t, nil)
			for _, other := range []string{"a/aa", "z/z"} {
				beside := playBeside(t, append([]string{other}, strings.Fields(fields)...))
				if !slices.Equal(alone, beside) {
					t.Errorf("alone:\n%s\nbeside %s:\n%s", strings.Join(alone, "\n"), other, strings.Join(beside, "\n"))
				}
			}
		})
	}
}

// playBeside is all that becomes of two sound workloads through two commits,
// with another beside them.
func playBeside(t *testing.T, other []string) (lines []string) {
	f := newFleet(t)
	for i := range 3 {
		f.add(fmt.Sprintf("n%d", i), "a")
	}
	f.round(time.Second)
	for _, image := range []string{"image=1", "image=2"} {
		ws := []schema.Workload{parseWorkload(t, []string{"a/web", "replicas=4", "check=/up", image}), parseWorkload(t, []string{"b/log", "kind=daemon", image})}
		if other != nil {
			ws = append(ws, parseWorkload(t, other))
		}
		slices.SortFunc(ws, func(x, y schema.Workload) int { return strings.Compare(x.Name, y.Name) })
		f.push(ws, nil)
		f.pass()
		for range 30 {
			for _, c := range f.plan.Changes {
				if c.Slot.Workload == "a/web" || c.Slot.Workload == "b/log" {
					lines = append(lines, fmt.Sprintf("%s %s %s %v %s", f.now.Format(time.TimeOnly), c.Slot, c.Node, c.Stop, c.Reason))
				}
			}
			f.round(11 * time.Second)
		}
	}
	return append(lines, wantedOf(&f.facts, "a/web", "b/log")...)
}

func wantedOf(f *reconciler.Facts, names ...string) []string {
	return slices.DeleteFunc(wanted(f), func(line string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(line, " "+n+".") })
	})
}

// TestReconcile_ServerAway: a rollout that was under way when the server went
// is not called failed for the time in which nobody looked.
func TestReconcile_ServerAway(t *testing.T) {
	f := newFleet(t)
	for i := range 3 {
		f.add(fmt.Sprintf("n%d", i), "a")
	}
	f.round(time.Second)
	for _, image := range []string{"image=1", "image=2"} {
		f.push([]schema.Workload{parseWorkload(t, []string{"a/web", "replicas=3", "check=/up", image})}, nil)
		f.pass()
		for range 4 {
			f.round(5 * time.Second)
		}
	}
	tip := f.desired
	f.now = f.now.Add(time.Hour)
	f.restart()
	f.pass()
	f.desired = tip
	for range 20 {
		f.round(5 * time.Second)
	}
	if c := f.commit(); c.Outcome != reconciler.Applied {
		t.Errorf("%s: %s", c.Outcome, c.Reason)
	}
}

// TestReconcile_SlowToEnd: old instances that take longer to end than a rollout
// may stand still are no reason to go back; the commit ends.
func TestReconcile_SlowToEnd(t *testing.T) {
	f := newFleet(t)
	f.add("n0", "a")
	f.round(time.Second)
	for _, image := range []string{"image=1", "image=2"} {
		f.push([]schema.Workload{parseWorkload(t, []string{"a/web", "replicas=2", "surge=2", image})}, nil)
		f.pass()
		for range 60 {
			f.now = f.now.Add(5 * time.Second)
			m := f.machines[0]
			f.deliver(m)
			f.carryOut(m, func(id string) bool { return m.insts[id] != nil && m.insts[id].Phase == nodes.Stopping })
			f.hear(m)
			f.pass()
		}
		if c := f.commit(); c.Outcome != reconciler.Applied {
			t.Fatalf("%s: %s: %s", image, c.Outcome, c.Reason)
		}
	}
	if r := f.facts.Rollouts[0]; r.Stage != reconciler.Done || len(f.facts.Nodes[0].Assignment.Orders) != 4 {
		t.Errorf("%s with %d orders", r.Stage, len(f.facts.Nodes[0].Assignment.Orders))
	}
}

// TestReconcile_MapsInAnyOrder keeps the same plan whatever order the maps
// of its input were filled in (I14).
func TestReconcile_MapsInAnyOrder(t *testing.T) {
	var first []byte
	for range 20 {
		f := newFleet(t)
		f.add("n0", "a")
		f.round(time.Second)
		w := parseWorkload(t, []string{"a/one"})
		w.Ports = map[string]schema.Port{}
		for i := range 6 {
			w.Ports[fmt.Sprintf("p%d", i)] = schema.Port{Container: 80 + i, Protocol: "tcp"}
		}
		f.push([]schema.Workload{w}, nil)
		plan := encode(t, reconciler.Reconcile(f.input()))
		if first == nil {
			first = plan
		}
		if !bytes.Equal(first, plan) {
			t.Fatalf("two plans:\n%s\n%s", first, plan)
		}
	}
}
