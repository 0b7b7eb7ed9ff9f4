package reconciler_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// team is the one team of these fleets.
func team() []schema.Team { return []schema.Team{{Name: "shop"}} }

// codes are the codes of what the newest plan tells, sorted, once each.
func (f *fleet) codes() (all []string) {
	for _, b := range f.plan.Blocked {
		all = append(all, b.Code)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// newerThan is a fleet that runs more than the facts from before know.
func newerThan(t *testing.T) (f *fleet, before reconciler.Facts) {
	f = rolledTo(t, "replicas=2")
	f.rounds(40)
	before = f.facts
	f.push([]schema.Workload{*f.facts.Rollouts[0].Want, parseWorkload(t, []string{"shop/young", "replicas=3"})}, team())
	f.rounds(20)
	return f, before
}

// I38: a server with an older copy of its ledger stops nothing that the copy
// does not know; it tells, and goes on once all that runs is ordered again.
func TestReconcile_OlderLedgerStopsNothing(t *testing.T) {
	for name, copied := range map[string]bool{"an older copy": true, "none at all": false} {
		t.Run(name, func(t *testing.T) {
			f, before := newerThan(t)
			tip := f.desired
			if f.facts = before; !copied {
				f.facts = reconciler.Facts{}
			}
			f.epoch += 100
			f.restart()
			f.pass()
			f.rounds(10)
			if stops := f.stops(); len(stops) > 0 {
				t.Error("stopped:", stops)
			}
			if codes := f.codes(); !slices.Equal(codes, []string{"ledger-older"}) {
				t.Error("told:", codes)
			}
			f.restart() // what was found outlives the next restart
			f.rounds(10)
			if stops := f.stops(); len(stops) > 0 {
				t.Error("stopped after one more restart:", stops)
			}
			f.desired = tip
			f.rounds(20)
			for _, m := range f.machines { // what is left over is removed by hand
				for id := range m.insts {
					if orderOf(nodeFact(&f.facts, m.node.Name), id) == nil {
						delete(m.insts, id)
					}
				}
			}
			f.rounds(20)
			if codes := f.codes(); len(codes) > 0 {
				t.Error("told at the end:", codes)
			}
		})
	}
}

// A node that was given new orders before it was heard shows all the same that
// the ledger is an older copy.
func TestReconcile_OlderLedgerIsSeenLate(t *testing.T) {
	f, before := newerThan(t)
	f.facts = before
	f.restart()
	late := f.machines[0]
	late.cut = true
	f.rounds(12) // it is lost, what it ran is replaced
	late.cut = false
	for _, m := range f.machines[1:] {
		m.cut = true // what they show is not needed
	}
	f.rounds(5)
	young := slices.DeleteFunc(slices.Collect(maps.Keys(late.insts)), func(id string) bool { return !strings.HasPrefix(id, "shop/young") })
	if len(young) != 1 {
		t.Error("it was stopped; left are", young)
	}
	if b := f.plan.Blocked; !slices.ContainsFunc(b, func(b reconciler.Blocked) bool {
		return b.Code == "ledger-older" && strings.HasPrefix(b.Text, late.node.Name)
	}) {
		t.Error("told:", f.codes())
	}
}

// A restart of the server with its own ledger is no older copy of it.
func TestReconcile_RestartIsNoOlderLedger(t *testing.T) {
	f, _ := newerThan(t)
	for range 3 {
		f.restartAt()
		f.rounds(3)
		if codes := f.codes(); len(codes) > 0 {
			t.Error("told:", codes)
		}
	}
}

// A container that no order can name is told of and left alone; an order for it
// would be refused, and all others of its node with it. It keeps no workload
// from its end.
func TestReconcile_MisnamedStrayIsLeftAlone(t *testing.T) {
	for runtime, next := range map[string]string{
		"docker 29.1":     "docker rm -f c0ffee",
		"native 6.1.0-18": "kill its monitor (pgrep -af c0ffee)",
	} {
		t.Run(runtime, func(t *testing.T) { testMisnamedStray(t, runtime, next) })
	}
}

func testMisnamedStray(t *testing.T, runtime, next string) {
	f := rolledTo(t, "replicas=1")
	f.machines[0].node.Runtime = runtime
	f.rounds(40)
	slot := schema.Slot{Workload: "shop/web", Index: 0}
	stray := nodes.Instance{ID: "shop/web.0@copy", Slot: slot, Digest: f.facts.Rollouts[0].Target, Container: "c0ffee"}
	f.machines[0].insts[stray.ID] = f.moved(stray, nodes.Running, nodes.NoCheck)
	f.push([]schema.Workload{parseWorkload(t, []string{"shop/other"})}, team())
	f.rounds(20)
	if c := f.commit(); c.Outcome != reconciler.Applied {
		t.Errorf("%s: %s", c.Outcome, c.Reason)
	}
	if stops := f.stops(); len(stops) > 0 || len(f.facts.Rollouts) != 1 {
		t.Error(stops, len(f.facts.Rollouts))
	}
	if b := f.plan.Blocked; len(b) != 1 || b[0].Code != "stray-container" || !strings.Contains(b[0].Next, next) {
		t.Error(b)
	}
}

// What is empty in the repository and absent in the ledger is the same: the
// next commit touches nothing by it.
func TestReconcile_EmptyIsAbsent(t *testing.T) {
	f := newFleet(t)
	f.add("a", "a")
	f.round(time.Second)
	full := func(replicas string) []schema.Workload {
		w := parseWorkload(t, []string{"shop/web"})
		w.Command, w.Args, w.Env, w.Labels = []string{}, []string{}, map[string]string{}, map[string]string{}
		w.Volumes, w.Constraints, w.Ports = map[string]schema.Volume{}, []schema.Constraint{}, map[string]schema.Port{}
		return []schema.Workload{parseWorkload(t, []string{"shop/a", "replicas=" + replicas}), w}
	}
	f.push(full("1"), team())
	f.rounds(10)
	f.restart()
	f.push(full("2"), team())
	f.rounds(10)
	if c := f.commit(); !slices.Equal(c.Touched, []string{"shop/a"}) {
		t.Error("touched", c.Touched)
	}
}
