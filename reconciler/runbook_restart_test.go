package reconciler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// restless plays an ordered update of three slots; the server is restarted after
// every n-th of its passes, 0 for never, and a third version comes with the step of
// that name. It returns what was ordered, in its order.
func restless(t *testing.T, n int, superseded string, strategy ...string) (lines []string, outcome reconciler.Outcome) {
	f := newFleet(t)
	for i := range 3 {
		f.add(fmt.Sprintf("n%d", i), "a")
	}
	f.round(time.Second)
	push := func(image string) {
		f.push([]schema.Workload{parseWorkload(t, append([]string{"shop/db", "replicas=3", "volume=data", image, "strategy=ordered"}, strategy...))}, nil)
	}
	for _, image := range []string{"image=1", "image=2"} {
		push(image)
		for round := range 120 {
			before := f.facts
			f.round(5 * time.Second)
			lines = append(lines, newOrders(&before, &f.facts)...)
			if superseded != "" && slices.Contains(lines, "step "+superseded) {
				push("image=3")
				superseded = ""
			}
			if n > 0 && round%n == 0 {
				tip := f.desired
				f.restart()
				f.pass() // nobody is heard, and the repository neither
				f.desired = tip
			}
		}
	}
	return lines, f.commit().Outcome
}

// newOrders are those that after has and before has not, by their names.
func newOrders(before, after *reconciler.Facts) (lines []string) {
	for i := range after.Nodes {
		n := &after.Nodes[i]
		for _, o := range n.Assignment.Orders {
			old := orderOf(nodeFact(before, n.Name), o.ID)
			switch {
			case o.Step != nil && !o.Stop && old == nil:
				lines = append(lines, "step "+o.Step.Name)
			case o.Step == nil && o.Stop && (old == nil || !old.Stop):
				lines = append(lines, fmt.Sprintf("stop %s %s", o.Slot, o.Workload.Image))
			case o.Step == nil && !o.Stop && old == nil:
				lines = append(lines, fmt.Sprintf("start %s %s", o.Slot, o.Workload.Image))
			}
		}
	}
	return lines
}

// A server that is restarted between every two steps of a runbook goes on where
// the one before it was: nothing that has ended is done again, and nothing is left
// out (I21, I32), whether the update goes well, fails, goes back or is superseded.
func TestReconcile_RunbookGoesOnAfterRestarts(t *testing.T) {
	for name, fields := range map[string][]string{
		"good":      {"first=lag@0", "before=!drain,ring@0", "steps=up,+lag", "last=!close@2"},
		"own":       {"first=~ready", "before=!drain", "steps=~lag"},
		"fails":     {"before=!drain", "steps=sick*2"},
		"first bad": {"first=!sick@1", "before=!drain"},
		"phases":    {"phase=some:2,1", "before=!drain*1", "phase=rest", "before=!switch@2", "steps=lag,+ring@1"},
		"newer":     {"before=!drain", "steps=lag"},
	} {
		t.Run(name, func(t *testing.T) {
			superseded := map[string]string{"newer": "after lag of shop/db.1"}[name]
			want, end := restless(t, 0, superseded, fields...)
			if len(want) < 4 {
				t.Fatalf("nothing happened: %v", want)
			}
			if superseded != "" && (end != reconciler.Applied || !slices.Contains(want, "start shop/db.0 img:3")) {
				t.Fatalf("the third version came to %s: %v", end, want)
			}
			for _, n := range []int{1, 2, 3} {
				got, outcome := restless(t, n, superseded, fields...)
				if outcome != end || !slices.Equal(got, want) {
					t.Errorf("restarted after each %d: %s\n%s\nnever restarted: %s\n%s", n, outcome, strings.Join(got, "\n"), end, strings.Join(want, "\n"))
				}
			}
		})
	}
}

// The server dies after it recorded that a step is ordered and before the order
// goes out, or after the step has ended and before it learned so: the order is
// there for the next one, and it is one and the same.
func TestReconcile_RunbookOrdersOnce(t *testing.T) {
	f := newFleet(t)
	f.add("n0", "a")
	f.round(time.Second)
	push := func(image string) {
		f.push([]schema.Workload{parseWorkload(t, []string{"shop/db", "volume=data", image, "strategy=ordered", "before=!drain"})}, nil)
	}
	push("image=1")
	for range 5 {
		f.round(10 * time.Second)
	}
	push("image=2")
	f.pass()
	m := f.machines[0]
	first := steps(&f.facts)
	f.restartAt() // it never went out
	f.pass()
	if got := steps(&f.facts); len(first) != 1 || !slices.Equal(got, first) {
		t.Fatalf("%v became %v", first, got)
	}
	f.deliver(m)
	for range 3 {
		f.carryOut(m, func(string) bool { return false }) // it has ended, and nobody heard of it
	}
	f.restartAt()
	f.pass()
	if got := steps(&f.facts); !slices.Equal(got, first) {
		t.Fatalf("%v became %v", first, got)
	}
	f.rounds(12)
	if c := f.commit(); c.Outcome != reconciler.Applied {
		t.Errorf("%s: %s", c.Outcome, c.Reason)
	}
}

// steps are the IDs of the orders for steps that are not to stop.
func steps(facts *reconciler.Facts) (ids []string) {
	for i := range facts.Nodes {
		for _, o := range facts.Nodes[i].Assignment.Orders {
			if o.Step != nil && !o.Stop {
				ids = append(ids, o.ID)
			}
		}
	}
	return ids
}
