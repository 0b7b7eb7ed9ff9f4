package reconciler_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/sim/invariants"
)

// fleet is a cluster in plain memory whose every step is chosen by a test: the
// server's facts, machines that take orders late and carry them out in part,
// links that break, and a repository. Each pass is checked (see check).
type fleet struct {
	t            testing.TB
	now, started time.Time
	epoch        int64
	desired      schema.Spec
	pools        []schema.Pool // of the commits that are pushed
	owners       []schema.Owner
	refused      string
	rewritten    bool
	facts        reconciler.Facts
	machines     []*machine // sorted by name
	joined       int        // how many ever did
	heard        nodes.Snapshot
	scratch      reconciler.Scratch
	commits      map[string]schema.Spec // all that were ever pushed
	unpinned     map[string]schema.Spec // those with images that no registry told of at first, as they were
	serial       int
	plan         reconciler.Plan // the newest
	changes      int             // of all passes
	checks       int
	watch        invariants.Watch
	ran          map[string]int    // how often each step of a course was ordered
	asked        []reconciler.Wish // granted, in their order
	quiet        bool              // nothing happens any more but what was decided
	past         history
	jobsOnly     bool
}

// machine is one node with its agent.
type machine struct {
	node  nodes.Node
	cut   bool
	blind bool // its engine does not answer: it cannot list what it runs
	sick  bool // what it runs fails
	held  nodes.Assignment
	insts map[string]*nodes.Instance
	// volumes are on its disk.
	volumes map[schema.Slot]bool
}

func newFleet(t testing.TB) *fleet {
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	return &fleet{t: t, now: now, started: now, epoch: 1, commits: map[string]schema.Spec{}, unpinned: map[string]schema.Spec{}, ran: map[string]int{}}
}

func (f *fleet) add(name, zone string) {
	f.joined++
	f.machines = append(f.machines, &machine{insts: map[string]*nodes.Instance{}, volumes: map[schema.Slot]bool{}, node: nodes.Node{Name: name,
		Attributes: map[string]string{"zone": zone}, Allocatable: nodes.Capacity{CPU: 2000, Memory: 4 << 30},
		PortMin: 20000, PortMax: 20009, Runtime: "test 1", Leases: true}})
	slices.SortFunc(f.machines, func(a, b *machine) int { return strings.Compare(a.node.Name, b.node.Name) })
}

// push makes workloads the tip of the branch.
func (f *fleet) push(ws []schema.Workload, teams []schema.Team) {
	f.serial++
	id := fmt.Sprintf("c%03d", f.serial)
	s := schema.Spec{Revision: schema.Revision{Commit: id, Subject: id}, Workloads: ws, Teams: teams, Pools: f.pools, Owners: f.owners}
	for i := range s.Teams {
		if len(s.Teams[i].Errors) == 0 {
			s.Teams[i].Commit = id
		}
	}
	s.Seal()
	f.desired, f.commits[id], f.refused, f.rewritten = s, s, "", false
	if len(f.unresolved()) > 0 {
		f.unpinned[id] = s
	}
}

// deliver brings a machine its newest Assignment, unless its link is broken.
func (f *fleet) deliver(m *machine) {
	for i := range f.facts.Nodes {
		if a := f.facts.Nodes[i].Assignment; a.Node == m.node.Name && !m.cut && a.Version.Compare(m.held.Version) > 0 {
			m.held = a
		}
	}
}

// carryOut moves what skip does not name one step on.
func (f *fleet) carryOut(m *machine, skip func(id string) bool) {
	for i := range m.held.Orders {
		if o := &m.held.Orders[i]; !skip(o.ID) {
			f.oneStep(m, o)
		}
	}
	m.deleteVolumes(skip)
}

func (f *fleet) oneStep(m *machine, o *nodes.Order) {
	x := m.insts[o.ID]
	switch {
	case o.Step != nil && !o.Stop:
		m.insts[o.ID] = f.oneMore(x, o)
		return
	case o.Stop && x == nil:
	case o.Stop && x.Phase >= nodes.Stopping:
		delete(m.insts, o.ID)
	case o.Stop:
		m.insts[o.ID] = f.moved(*x, nodes.Stopping, nodes.HealthUnknown)
	case x == nil:
		m.has(o)
		m.insts[o.ID] = f.moved(nodes.Instance{ID: o.ID, Slot: o.Slot, Digest: o.Digest, Ports: o.Ports}, nodes.Starting, nodes.HealthUnknown)
	case o.Workload.Kind.Runs():
		f.runOn(m, x, o.Workload)
	case m.sick || strings.HasSuffix(o.Workload.Image, "bad"):
		m.insts[o.ID] = f.spoiled(*x, o.Workload)
	case !x.Available():
		m.insts[o.ID] = f.moved(*x, nodes.Running, wellOf(o.Workload))
	}
	if x := m.insts[o.ID]; x != nil {
		x.Ports = o.Ports
	}
}

// oneMore is a step after it was begun, or after it ended.
func (f *fleet) oneMore(x *nodes.Instance, o *nodes.Order) *nodes.Instance {
	switch {
	case x == nil:
		return f.moved(nodes.Instance{ID: o.ID, Slot: o.Slot, Digest: o.Digest}, nodes.Running, nodes.HealthUnknown)
	case x.Outcome != nil:
		return x
	}
	done := f.moved(*x, nodes.Stopped, nodes.HealthUnknown)
	if done.Outcome = (&nodes.Outcome{Passed: true}); strings.Contains(o.Step.Name, "sick") {
		done.Outcome = &nodes.Outcome{ExitCode: 1, Text: "exited with code 1"}
	}
	return done
}

func wellOf(w *schema.Workload) nodes.Health {
	if w.Health != nil {
		return nodes.Healthy
	}
	return nodes.NoCheck
}

// moved is x in another phase, since now.
func (f *fleet) moved(x nodes.Instance, p nodes.Phase, h nodes.Health) *nodes.Instance {
	x.Phase, x.Health, x.Since = p, h, f.now
	return &x
}

// spoiled is x after it failed once more: its check fails, or it exits.
func (f *fleet) spoiled(x nodes.Instance, w *schema.Workload) *nodes.Instance {
	fail := nodes.Failure{Code: nodes.Exited, Text: "exited with code 3", ExitCode: 3, At: f.now, Count: 1}
	if w.Health != nil {
		fail = nodes.Failure{Code: nodes.HealthFailing, Text: "status 503", At: f.now, Count: 1}
		x.Phase, x.Health = nodes.Running, nodes.Unhealthy
	} else {
		x.Phase = nodes.Starting
	}
	if x.Failure != nil {
		fail.Count = x.Failure.Count + 1
	}
	x.Failure = &fail
	return &x
}

// rise is the machine's agent started anew: it adopts what runs and has probed
// nothing yet.
func (f *fleet) rise(m *machine) {
	for id, x := range m.insts {
		if m.performs(id) && x.Outcome == nil {
			m.insts[id] = f.moved(*x, nodes.Stopped, nodes.HealthUnknown)
			m.insts[id].Outcome = &nodes.Outcome{Unknown: true, Text: "nobody knows"}
			continue
		}
		if x.Phase == nodes.Running && x.Health != nodes.NoCheck {
			m.insts[id] = f.moved(*x, nodes.Running, nodes.HealthUnknown)
		}
	}
}

// ids are the instances that the machine has, sorted: a history is the same
// whenever it is played again.
func (m *machine) ids() []string { return slices.Sorted(maps.Keys(m.insts)) }

// performs is whether the machine has the instance for a step.
func (m *machine) performs(id string) bool {
	return slices.ContainsFunc(m.held.Orders, func(o nodes.Order) bool { return o.ID == id && o.Step != nil })
}

// hear brings the server what the machine has to say, if the link is whole.
func (f *fleet) hear(m *machine) {
	if m.cut {
		return
	}
	r := nodes.Report{Node: m.node, Seen: m.held.Version, Now: f.now, Inventory: true, Instances: []nodes.Instance{}, Deleted: m.deleted()}
	if r.Inventory = !m.blind; r.Inventory {
		for _, id := range m.ids() {
			r.Instances = append(r.Instances, *m.insts[id])
		}
	}
	seen := nodes.Seen{Report: r, At: f.now}
	at, known := slices.BinarySearchFunc(f.heard.Nodes, m.node.Name, func(s nodes.Seen, n string) int { return strings.Compare(s.Report.Node.Name, n) })
	f.heard.Nodes = slices.Clone(f.heard.Nodes)
	if known {
		f.heard.Nodes[at] = seen
	} else {
		f.heard.Nodes = slices.Insert(f.heard.Nodes, at, seen)
	}
}

// round is time passing while every machine does its work at once.
func (f *fleet) round(d time.Duration) {
	f.now = f.now.Add(d)
	for _, m := range f.machines {
		f.deliver(m)
		f.carryOut(m, func(string) bool { return false })
		f.hear(m)
	}
	f.pass()
}

// restart is another leader: it has the facts as the ledger gives them back,
// and has heard nobody.
func (f *fleet) restart() {
	f.epoch++
	f.started, f.heard, f.desired = f.now, nodes.Snapshot{}, schema.Spec{}
	f.facts = throughLedger(f.t, f.facts)
}

func throughLedger(t testing.TB, facts reconciler.Facts) (back reconciler.Facts) {
	if err := json.Unmarshal(encode(t, facts), &back); err != nil {
		t.Fatal(err)
	}
	back.Intern()
	return back
}

func encode(t testing.TB, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (f *fleet) input() reconciler.Input {
	return reconciler.Input{Desired: f.desired, Refused: f.refused, Rewritten: f.rewritten, Unresolved: f.unresolved(), Observed: f.heard,
		Facts: f.facts, Now: f.now, Epoch: f.epoch, Started: f.started, Scratch: &f.scratch}
}

// maxPasses is how soon a decision must have settled: the loop looks at the
// world again after as many.
const maxPasses = 16

// pass decides until nothing changes, and checks each decision.
func (f *fleet) pass() {
	for range maxPasses {
		f.decide()
		if !f.plan.FactsChanged {
			f.checkWake()
			return
		}
	}
	f.t.Fatalf("no end of passes: %s", encode(f.t, f.plan.Changes))
}

// decide is one pass, whose decision is checked.
func (f *fleet) decide() {
	before := f.input()
	f.plan = reconciler.Reconcile(before)
	if *tell && f.plan.FactsChanged {
		f.tell(&before)
	}
	f.check(before, &f.plan)
	f.facts = f.plan.Facts
	f.changes += len(f.plan.Changes)
}

// tell logs what the newest pass decided: instances that come and go, and
// rollouts that are at another stage.
func (f *fleet) tell(in *reconciler.Input) {
	var b strings.Builder
	for _, c := range f.plan.Changes {
		way := "comes to"
		if c.Stop {
			way = "leaves"
		}
		fmt.Fprintf(&b, "\n  %s@%s %s %s: %s %s", c.Slot, c.Digest.Short(), way, c.Node, c.Reason, c.Why)
	}
	for i := range f.plan.Facts.Rollouts {
		r := &f.plan.Facts.Rollouts[i]
		if was := rolloutOf(&in.Facts, r.Workload); was == nil || was.Stage != r.Stage || was.Target != r.Target || was.Serving != r.Serving {
			fmt.Fprintf(&b, "\n  %s is %s to %s (good %s, serving %s) %s", r.Workload, r.Stage, r.Target.Short(), r.GoodDigest.Short(), r.Serving.Short(), r.Reason)
		}
	}
	for _, w := range f.plan.Blocked {
		fmt.Fprintf(&b, "\n  %s %s waits: %s", w.Workload, w.Slot, w.Text)
	}
	f.t.Logf("%s%s", f.now.Format(time.TimeOnly), b.String())
}

func (f *fleet) commit() *reconciler.Commit {
	if n := len(f.facts.Commits); n > 0 {
		return &f.facts.Commits[n-1]
	}
	return nil
}
