package reconciler_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// goesOn leaves an attempt of a job as it was, or running where it is new: a world
// ends it when it is told to.
func goesOn(x, old *nodes.Instance) {
	if old != nil && old.Phase >= nodes.Running {
		x.Phase, x.Health, x.Failure = old.Phase, old.Health, old.Failure
		return
	}
	x.Phase, x.Health, x.Failure = nodes.Running, nodes.NoCheck, nil
}

// end makes running attempts of the slots exit.
func (w *world) end(d *datadriven.TestData) (text string) {
	code := 0
	for _, a := range d.CmdArgs {
		if a.Key == "code" {
			code, _ = strconv.Atoi(a.Vals[0])
		}
	}
	ended := 0
	for _, a := range d.CmdArgs {
		for i := range w.snap.Nodes {
			for _, x := range w.report(w.snap.Nodes[i].Report.Node.Name).Instances {
				if a.Key == x.Slot.String() && x.Phase == nodes.Running {
					exit(w.report(w.snap.Nodes[i].Report.Node.Name).Instance(x.ID), code, w.now)
					ended++
				}
			}
		}
	}
	if ended == 0 {
		text = "nothing of these runs\n"
	}
	return text
}

func exit(x *nodes.Instance, code int, now time.Time) {
	x.Phase, x.Health, x.Since = nodes.Stopped, nodes.HealthUnknown, now
	x.Failure = &nodes.Failure{Code: nodes.Exited, Text: fmt.Sprintf("exited with code %d", code), ExitCode: code, At: now, Count: 1}
}

func (w *world) setClock(t *testing.T, text string) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	// Instants that are waited for keep their distance, as a clock that runs on
	// beside the wall's keeps it.
	jump := at.Sub(w.now)
	w.now, w.started = at, w.started.Add(jump)
	for i := range w.snap.Nodes {
		w.snap.Nodes = slices.Clone(w.snap.Nodes)
		w.snap.Nodes[i].At = w.snap.Nodes[i].At.Add(jump)
	}
}

func (w *world) lose(node string) {
	is := func(name string) bool { return name == node }
	w.facts.Nodes = slices.DeleteFunc(slices.Clone(w.facts.Nodes), func(f reconciler.NodeFact) bool { return is(f.Name) })
	w.snap.Nodes = slices.DeleteFunc(slices.Clone(w.snap.Nodes), func(n nodes.Seen) bool { return is(n.Report.Node.Name) })
}

// runs is a line for each run, and for each of its slots that was tried.
func (w *world) runs() string {
	var b strings.Builder
	for i := range w.facts.Jobs {
		j := &w.facts.Jobs[i]
		fmt.Fprintf(&b, "%s", j.Workload)
		if !j.Until.IsZero() {
			fmt.Fprintf(&b, " until %s", j.Until.Format("2006-01-02T15:04:05Z"))
		}
		if !j.Skipped.IsZero() {
			fmt.Fprintf(&b, " skipped %s: %s", j.Skipped.Format("2006-01-02T15:04Z"), j.SkippedWhy)
		}
		fmt.Fprintln(&b)
		for k := range j.Runs {
			w.runLines(&b, &j.Runs[k])
		}
	}
	return b.String()
}

func (w *world) runLines(b *strings.Builder, r *reconciler.Run) {
	name := r.Name
	if r.Work.Kind == schema.Job {
		name = r.Work.Image[4:]
	}
	fmt.Fprintf(b, "  run %s %s, %d of %d\n", name, strings.TrimSuffix(string(r.Outcome)+": "+r.Reason, ": "), r.Completed(), len(r.Slots))
	for s := range r.Slots {
		x := &r.Slots[s]
		if x.Attempt == 0 {
			continue
		}
		state := "ended: " + x.Text
		switch {
		case x.Completed:
			state = "completed"
		case x.Ended.IsZero():
			state = "running"
		}
		fmt.Fprintf(b, "    %s.%d attempt %d on %s %s\n", r.Work.Name, r.First+s, x.Attempt, x.Node, state)
	}
}
