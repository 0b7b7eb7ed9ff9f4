package reconciler_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// check holds one decision against the invariants that a pure function can
// break, by their numbers (I1 and on: what is always true).
func (f *fleet) check(in reconciler.Input, p *reconciler.Plan) {
	f.t.Helper()
	every := sameEvery
	if f.quiet {
		every = sameEveryQuiet
	}
	if f.checks++; f.checks%every == 1 {
		f.checkSame(in, p)
	}
	f.checkShape(in, p)
	f.checkRoom(p)
	f.checkLimits(p)
	f.checkAsked(in, p)
	f.checkStops(in, p)
	f.checkDown(in, p)
	f.checkSpec(in, p)
	f.checkWriters(in, p)
	f.checkSteps(in, p)
	f.checkVolumes(in, p)
	f.checkCordons(in, p)
	f.checkHolds(in, p)
	f.checkRuns(in, p)
}

// checkLimits: nothing is placed that takes a pool past its limit (I19).
func (f *fleet) checkLimits(p *reconciler.Plan) {
	for _, pool := range p.Facts.Spec.Pools {
		if pool.Limit == nil {
			continue
		}
		var held schema.CPU
		placed := false
		for i := range p.Facts.Nodes {
			for _, o := range p.Facts.Nodes[i].Assignment.Orders {
				if o.Workload == nil || o.Workload.Pool != pool.Name || p.Facts.Ended(p.Facts.Nodes[i].Name, &o) {
					continue
				}
				held += o.Workload.Resources.CPU
				placed = placed || slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool {
					return !c.Stop && !o.Stop && c.Node == p.Facts.Nodes[i].Name && c.Slot == o.Slot && c.Digest == o.Digest && c.Reason != nodes.PortConflict
				})
			}
		}
		if placed && held > pool.Limit.CPU {
			f.t.Fatalf("I19: pool %s holds %s of %s: %s", pool.Name, held, pool.Limit.CPU, encode(f.t, p.Changes))
		}
	}
}

// How many checks there are to one of checkSame, which costs more than all
// others: while things happen, and once no more do.
const sameEvery, sameEveryQuiet = 5, 50

// checkSame: the input stays as it was, and the same input, with other memory
// to work in, through the ledger and with maps built anew, gives the same plan
// (I14).
func (f *fleet) checkSame(in reconciler.Input, p *reconciler.Plan) {
	again := in
	again.Scratch = nil
	again.Facts = throughLedger(f.t, in.Facts)
	was := encode(f.t, []any{in.Desired, in.Observed, in.Facts})
	other := reconciler.Reconcile(again)
	if !bytes.Equal(was, encode(f.t, []any{in.Desired, in.Observed, in.Facts})) {
		f.t.Fatal("I14: Reconcile changed its input")
	}
	if a, b := encode(f.t, p), encode(f.t, other); !bytes.Equal(a, b) {
		f.t.Fatalf("I14: two plans for one input:\n%s\n%s", a, b)
	}
	if !p.FactsChanged && !bytes.Equal(encode(f.t, in.Facts), encode(f.t, p.Facts)) {
		f.t.Fatal("I15: the facts changed and the plan does not say so")
	}
	if p.FactsChanged && bytes.Equal(encode(f.t, in.Facts), encode(f.t, p.Facts)) {
		f.t.Fatal("I15: the plan says that the facts changed and they did not")
	}
}

// checkShape: everything is sorted, unique, about known nodes, and versions
// only go up.
func (f *fleet) checkShape(in reconciler.Input, p *reconciler.Plan) {
	for i := range p.Assignments {
		a := &p.Assignments[i]
		if i > 0 && p.Assignments[i-1].Node >= a.Node {
			f.t.Fatal("assignments are not sorted")
		}
		was, is := nodeFact(&in.Facts, a.Node), nodeFact(&p.Facts, a.Node)
		if is == nil || is.Assignment.Version != a.Version {
			f.t.Fatalf("I32: the assignment of %s is not in the facts", a.Node)
		}
		if was != nil && was.Assignment.Version.Compare(a.Version) >= 0 || a.Version.Epoch != in.Epoch {
			f.t.Fatalf("I20: %s goes to version %v", a.Node, a.Version)
		}
	}
	for i := range p.Facts.Nodes {
		orders := p.Facts.Nodes[i].Assignment.Orders
		if !slices.IsSortedFunc(orders, func(a, b nodes.Order) int { return strings.Compare(a.ID, b.ID) }) {
			f.t.Fatal("orders are not sorted")
		}
		for j := range orders {
			if j > 0 && orders[j-1].ID == orders[j].ID {
				f.t.Fatalf("%s is ordered twice on %s", orders[j].ID, p.Facts.Nodes[i].Name)
			}
		}
	}
	seen := map[string]bool{}
	for _, c := range p.Changes {
		key := c.Node + " " + nodes.InstanceID(c.Slot, c.Digest)
		if nodeFact(&p.Facts, c.Node) == nil || seen[key] {
			f.t.Fatalf("change of %s is about an unknown node or told twice", key)
		}
		seen[key] = true
	}
}

func nodeFact(f *reconciler.Facts, name string) *reconciler.NodeFact {
	i := slices.IndexFunc(f.Nodes, func(n reconciler.NodeFact) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Nodes[i]
}

// checkRoom: what is ordered on a node fits on it, stopping ones included, and
// no two orders have one port (I3); once decided, a daemon is wanted once there.
func (f *fleet) checkRoom(p *reconciler.Plan) {
	for i := range p.Facts.Nodes {
		n := &p.Facts.Nodes[i]
		var sum nodes.Capacity
		ports, daemons := map[int]string{}, map[string]string{}
		for _, o := range n.Assignment.Orders {
			if p.Facts.Ended(n.Name, &o) {
				continue
			}
			if w := o.Workload; w != nil {
				sum = sum.Plus(nodes.Capacity{CPU: w.Resources.CPU, Memory: w.Resources.Memory})
			}
			for _, port := range o.Ports {
				if ports[port] != "" {
					f.t.Fatalf("I3: port %d of %s is given to %s and %s", port, n.Name, ports[port], o.ID)
				}
				ports[port] = o.ID
			}
			if r := rolloutOf(&p.Facts, o.Slot.Workload); !p.FactsChanged && !o.Stop && r != nil && kindOf(r) == schema.Daemon {
				if was, ok := daemons[o.Slot.Workload]; ok && was != o.Slot.String() {
					f.t.Fatalf("daemon %s has slots %s and %s on %s", o.Slot.Workload, was, o.Slot, n.Name)
				}
				daemons[o.Slot.Workload] = o.Slot.String()
			}
		}
		if free := n.Node.Allocatable.Minus(sum); free.CPU < 0 || free.Memory < 0 {
			f.t.Fatalf("I3: %s is over by %v", n.Name, free)
		}
	}
}

func rolloutOf(f *reconciler.Facts, workload string) *reconciler.Rollout {
	i := slices.IndexFunc(f.Rollouts, func(r reconciler.Rollout) bool { return r.Workload == workload })
	if i < 0 {
		return nil
	}
	return &f.Rollouts[i]
}

// goalOf is what the rollout steers to, by the rule that is written at Stage.
func goalOf(r *reconciler.Rollout) *schema.Workload {
	if r == nil {
		return nil
	}
	switch {
	case r.Stage == reconciler.Reverting, r.Stage == reconciler.Reverted, r.Stage == reconciler.Waiting && r.Good != nil:
		return r.Good
	}
	return r.Want
}

func kindOf(r *reconciler.Rollout) schema.Kind {
	if g := goalOf(r); g != nil {
		return g.Kind
	}
	return ""
}

// checkDown: what the pass takes down, or may take down as far as it knows, stays
// within maxUnavailable, all slots that are down counted (I1, I33). Where fixed
// host ports keep old and new apart, one may be down.
func (f *fleet) checkDown(in reconciler.Input, p *reconciler.Plan) {
	before, after := f.live(&in.Facts), f.live(&p.Facts)
	for i := range p.Facts.Rollouts {
		r := &p.Facts.Rollouts[i]
		goal := goalOf(r)
		if goal == nil || goal.Kind.Runs() || goal.Update.Strategy == "recreate" && changesText(before, goal) || changesKind(before, goal) {
			continue
		}
		way := &goal.Update
		if r.Serving != "" && r.Serving != goal.Digest() { // a new set comes up beside it
			goal = r.Good
		}
		total, down, taken := 0, 0, 0
		for _, slot := range wantedSlots(goal, before, p) {
			if vs := before[slot]; goal.Kind == schema.Daemon && f.silence(vs[0].node.Name) >= goal.LostAfter.D() {
				continue // not down by our doing, nor can we bring it up
			}
			total++
			mine := func(v view) bool { return r.Serving == "" || v.order.Digest == r.Serving }
			if !slices.ContainsFunc(after[slot], func(v view) bool { return v.serves && mine(v) }) {
				down++
				may := func(v view) bool { return v.may && mine(v) && f.silence(v.node.Name) < reconciler.UnreachableAfter }
				if slices.ContainsFunc(before[slot], may) && !slices.ContainsFunc(after[slot], may) {
					taken++
				}
			}
		}
		allowed := way.MaxUnavailable.Floor(total)
		if way.Strategy == "recreate" || hasFixedPort(goal) || len(goal.Volumes) > 0 || way.Strategy == schema.Ordered || goal.Kind == schema.Stateful {
			allowed = max(allowed, 1)
		}
		f.checkQuorum(before, after, goal)
		if taken > 0 && down > allowed {
			f.t.Fatalf("I1: %s: %d taken down, %d of %d down, %d allowed: %s\nbefore %s\nafter %s", r.Workload, taken, down, total, allowed, encode(f.t, p.Changes), encode(f.t, rolloutOf(&in.Facts, r.Workload)), encode(f.t, r))
		}
	}
}

// changesText is whether slots run another text than the goal: a recreate takes
// those down all at once.
func changesText(before map[schema.Slot][]view, goal *schema.Workload) bool {
	digest := goal.Digest()
	for slot, vs := range before {
		if slot.Workload == goal.Name && slices.ContainsFunc(vs, func(v view) bool { return v.order.Digest != digest }) {
			return true
		}
	}
	return false
}

// changesKind is whether slots of another kind are still there: a service's and
// a daemon's slots have nothing in common but their numbers.
func changesKind(before map[schema.Slot][]view, goal *schema.Workload) bool {
	for s, vs := range before {
		if s.Workload == goal.Name && slices.ContainsFunc(vs, func(v view) bool { return v.order.Workload.Kind != goal.Kind }) {
			return true
		}
	}
	return false
}

func hasFixedPort(w *schema.Workload) bool {
	for _, p := range w.Ports {
		if p.Host != 0 {
			return true
		}
	}
	return false
}

// wantedSlots are the slots that should be up: a service's by its replicas, a
// daemon's those on nodes that it matches.
func wantedSlots(goal *schema.Workload, before map[schema.Slot][]view, p *reconciler.Plan) (slots []schema.Slot) {
	if goal.Kind != schema.Daemon {
		for i := range goal.Replicas {
			slots = append(slots, schema.Slot{Workload: goal.Name, Index: i})
		}
		return slots
	}
	for s, vs := range before {
		now := nodeFact(&p.Facts, vs[0].node.Name)
		if s.Workload == goal.Name && reconciler.Matches(p.Facts.Spec.Pools, &now.Node, goal) && !draining(&p.Facts, now.Name) {
			slots = append(slots, s)
		}
	}
	return slots
}

// checkWake: until the instant that a settled plan asks for, the same input
// decides nothing else; so nobody waits for a pass that does not come.
func (f *fleet) checkWake() {
	in := f.input()
	in.Now = f.now.Add(24 * time.Hour)
	if !f.plan.Wake.IsZero() {
		in.Now = f.plan.Wake.Add(-time.Nanosecond)
	}
	if p := reconciler.Reconcile(in); p.FactsChanged {
		f.t.Fatalf("at %s the same input decides otherwise, and the plan asks for %s: %s\n%s", in.Now.Sub(f.now), f.plan.Wake.Sub(f.now), encode(f.t, p.Changes), differing(f.t, &in.Facts, &p.Facts))
	}
}

// differing are the parts of the facts that are not the same, before and after.
func differing(t testing.TB, was, is *reconciler.Facts) string {
	var b strings.Builder
	x, y := reflect.ValueOf(*was), reflect.ValueOf(*is)
	for i := range x.NumField() {
		before, after := encode(t, x.Field(i).Interface()), encode(t, y.Field(i).Interface())
		if !bytes.Equal(before, after) {
			fmt.Fprintf(&b, "%s was %s\nand is %s\n", x.Type().Field(i).Name, before, after)
		}
	}
	return b.String()
}
