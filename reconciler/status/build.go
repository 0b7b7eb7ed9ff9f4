package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Input is what a Status is made of: the newest pass and what the shells know
// beside it.
type Input struct {
	Cluster  string
	Observed nodes.Snapshot
	// Facts and Blocked are those of the newest plan.
	Facts   reconciler.Facts
	Blocked []reconciler.Blocked
	Now     time.Time
	Started time.Time
	// Newest is the newest commit's text, as far as it evaluates, whatever
	// became of it; nil where that is not known yet.
	Newest *schema.Spec
	// Refused are why Newest as a whole asks for nothing.
	Refused []string
	// Evaluating is the commit that is being evaluated, if that takes long.
	Evaluating *Evaluating
	// Troubles are what the shells met: the repository out of reach, the disk
	// nearly full.
	Troubles []Problem
}

// Of is the cluster's state for people and tools. Every slice is sorted and
// none is nil, so that the JSON has no null where tools expect a list.
func Of(in Input) Status {
	b := &builder{in: in, slots: map[string][]Slot{}}
	b.readNodes()
	s := Status{Schema: Schema, Cluster: in.Cluster, History: []Revision{}, Workloads: b.workloads(), Nodes: b.nodes, Evaluating: in.Evaluating}
	for i := len(in.Facts.Commits) - 1; i >= 0; i-- {
		r := revisionOf(&in.Facts.Commits[i])
		if i == len(in.Facts.Commits)-1 {
			s.Revision = r
			continue
		}
		s.History = append(s.History, r)
	}
	s.Pools, s.Volumes = b.pools(), volumesOf(&b.in.Facts)
	s.Problems = b.problems(&s)
	return s
}

func revisionOf(c *reconciler.Commit) Revision {
	r := c.Revision
	return Revision{Commit: r.Commit, Time: r.Time, Author: r.Author, Subject: r.Subject,
		Outcome: c.Outcome, Reason: c.Reason, Removals: c.Removals, Phases: c.Phases, Causes: c.Causes, Ended: c.Ended, Teams: c.Teams}
}

// HistoryOf is what became of commits, and of one workload's rollouts; "" is of
// all.
func HistoryOf(f *reconciler.Facts, workload string) History {
	h := History{Schema: Schema, Workload: workload, Commits: []Revision{}}
	for i := len(f.Commits) - 1; i >= 0; i-- {
		if c := &f.Commits[i]; workload == "" || slices.Contains(c.Touched, workload) {
			h.Commits = append(h.Commits, revisionOf(c))
		}
	}
	h.Rollouts = slices.Clone(f.EndsOf(workload))
	slices.Reverse(h.Rollouts)
	return h
}

type builder struct {
	in    Input
	nodes []Node
	slots map[string][]Slot // by workload
}

// readNodes goes over every node once: its own line, and its instances to
// their workloads.
func (b *builder) readNodes() {
	b.nodes = []Node{}
	for i := range b.in.Facts.Nodes {
		f := &b.in.Facts.Nodes[i]
		seen := b.in.Observed.Node(f.Name)
		n := nodeOf(f, seen, &b.in)
		b.nodes = append(b.nodes, n)
		b.readOrders(f, seen, &n)
	}
	for _, slots := range b.slots {
		slices.SortFunc(slots, func(x, y Slot) int {
			sx, _ := schema.ParseSlot(x.Slot)
			sy, _ := schema.ParseSlot(y.Slot)
			return cmp.Or(sx.Compare(sy), strings.Compare(x.Node, y.Node), strings.Compare(string(x.Digest), string(y.Digest)))
		})
	}
}

func nodeOf(f *reconciler.NodeFact, seen *nodes.Seen, in *Input) Node {
	n := Node{Name: f.Name, Runtime: f.Node.Runtime, Address: f.Node.Address, Version: f.Node.Version,
		Attributes: f.Node.Attributes, Allocatable: f.Node.Allocatable}
	if n.Attributes == nil {
		n.Attributes = map[string]string{}
	}
	n.Cordon = cordonOf(in.Facts.Cordons, f.Name)
	for i := range f.Assignment.Orders {
		if w := f.Assignment.Orders[i].Workload; w != nil && !in.Facts.Ended(f.Name, &f.Assignment.Orders[i]) {
			n.Reserved = n.Reserved.Plus(nodes.Capacity{CPU: w.Resources.CPU, Memory: w.Resources.Memory})
		}
	}
	n.State, n.Reason = nodeState(seen, in)
	if n.State == "ready" && n.Cordon != nil {
		n.State, n.Reason = closedState(n.Cordon, f)
	}
	if seen != nil {
		n.Heard = seen.At
	}
	return n
}

// lostAfter is when a node is called lost here; each workload has its own.
const lostAfter = 30 * time.Second

// nodeExpected is a node that the ledger knows and this run of the server has not
// heard yet, before its silence says anything.
const nodeExpected = "expected"

// refusedText begins the reason of a node that runs on by older orders.
const refusedText = "it does not take over its newest orders: "

func nodeState(seen *nodes.Seen, in *Input) (state, reason string) {
	heard := in.Started
	if seen != nil && seen.At.After(heard) {
		heard = seen.At
	}
	silence := in.Now.Sub(heard)
	switch {
	case silence >= lostAfter:
		return "lost", "silent for " + silence.Truncate(time.Second).String()
	case silence >= reconciler.UnreachableAfter:
		return "unreachable", "silent for " + silence.Truncate(time.Second).String()
	case seen == nil:
		return nodeExpected, "not heard since the server started"
	case seen.Report.Node.Trouble != "":
		return "troubled", seen.Report.Node.Trouble
	case seen.Refusal != "":
		return "troubled", refusedText + seen.Refusal
	}
	return "ready", ""
}

// readOrders pairs orders with what was reported, by ID.
func (b *builder) readOrders(f *reconciler.NodeFact, seen *nodes.Seen, n *Node) {
	ordered := map[string]bool{}
	for i := range f.Assignment.Orders {
		o := &f.Assignment.Orders[i]
		ordered[o.ID] = true
		if o.Step != nil {
			continue // its workload's runbook tells of it
		}
		var inst *nodes.Instance
		if seen != nil {
			inst = seen.Report.Instance(o.ID)
		}
		b.slots[o.Slot.Workload] = append(b.slots[o.Slot.Workload], slotOf(o, inst, n))
	}
	if seen == nil {
		return
	}
	for i := range seen.Report.Instances {
		if inst := &seen.Report.Instances[i]; !ordered[inst.ID] && inst.Outcome == nil {
			o := nodes.Order{ID: inst.ID, Slot: inst.Slot, Digest: inst.Digest, Ports: inst.Ports, Stop: true, Reason: nodes.Orphaned}
			b.slots[inst.Slot.Workload] = append(b.slots[inst.Slot.Workload], slotOf(&o, inst, n))
		}
	}
}

func slotOf(o *nodes.Order, inst *nodes.Instance, n *Node) Slot {
	s := Slot{Slot: o.Slot.String(), Node: n.Name, Digest: o.Digest, Ports: o.Ports, Address: n.Address,
		Stopping: o.Stop, Reason: string(o.Reason), Since: o.Placed}
	if inst != nil {
		s.Phase, s.Health, s.Container = inst.Phase, inst.Health, inst.Container
		s.Since, s.Started, s.Restarts, s.Failure = inst.Since, inst.Started, inst.Restarts, inst.Failure
	}
	s.Unknown = inst == nil && n.State == nodeExpected
	if n.State == "unreachable" || n.State == "lost" || n.State == nodeExpected {
		s.Health = nodes.HealthUnknown
	}
	if s.Ports == nil {
		s.Ports = map[string]int{}
	}
	return s
}

func (b *builder) workloads() []Workload {
	all := []Workload{}
	for i := range b.in.Facts.Rollouts {
		all = append(all, b.workload(&b.in.Facts.Rollouts[i]))
	}
	return all
}

func (b *builder) workload(r *reconciler.Rollout) Workload {
	w := Workload{Name: r.Workload, Digest: r.Target, Slots: b.slots[r.Workload]}
	if w.Slots == nil {
		w.Slots = []Slot{}
	}
	if r.Want != nil {
		goal, _ := goalOf(r)
		w.Kind, w.Image, w.Desired = string(r.Want.Kind), r.Want.Source(), b.desired(goal)
	}
	b.count(&w, r)
	w.Serving, w.Proof = r.Serving, proofOf(r)
	w.Runbook = runbookOf(r)
	b.runs(&w, r)
	if r.Want != nil && r.Want.Kind.Runs() {
		w.Desired, w.Healthy, w.Updated = 0, 0, 0
		if len(w.Runs) > 0 && w.Runs[0].Outcome == reconciler.RunUnderWay {
			w.Desired = w.Runs[0].Completions
		}
		w.State, w.Reason = b.runState(&w, r)
		return w
	}
	w.State, w.Reason = b.stateOf(&w, r)
	w.Rollout = b.rollout(&w, r)
	return w
}

func (b *builder) desired(w *schema.Workload) int {
	if w.Kind != schema.Daemon {
		return w.Replicas
	}
	n := 0
	for i := range b.in.Facts.Nodes {
		f := &b.in.Facts.Nodes[i]
		if !b.closedTo(f, w.Name) && reconciler.Matches(b.in.Facts.Spec.Pools, &f.Node, w) {
			n++
		}
	}
	return n
}

// closedTo is whether the node is closed to new work, which a daemon that has
// nothing there would be.
func (b *builder) closedTo(f *reconciler.NodeFact, workload string) bool {
	return cordonOf(b.in.Facts.Cordons, f.Name) != nil && !slices.ContainsFunc(f.Assignment.Orders,
		func(o nodes.Order) bool { return !o.Stop && o.Slot.Workload == workload })
}

// count counts slots, not instances: a slot with an old and a new instance is
// one.
func (b *builder) count(w *Workload, r *reconciler.Rollout) {
	running, healthy, updated, unknown := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range w.Slots {
		s := &w.Slots[i]
		if s.Unknown && !s.Stopping {
			unknown[s.Slot] = true
		}
		if s.Stopping || s.Phase != nodes.Running {
			continue
		}
		running[s.Slot] = true
		if s.Health == nodes.Healthy || s.Health == nodes.NoCheck {
			healthy[s.Slot] = true
			updated[s.Slot] = updated[s.Slot] || s.Digest == r.Target
		}
	}
	w.Running, w.Healthy = len(running), len(healthy)
	for slot := range unknown {
		if !running[slot] {
			w.Unknown++
		}
	}
	for _, is := range updated {
		if is {
			w.Updated++
		}
	}
}

// stateOf is the workload's one word, and why.
func (b *builder) stateOf(w *Workload, r *reconciler.Rollout) (state, reason string) {
	switch h := holdOf(b.in.Facts.Holds, r.Workload); {
	case h != nil && h.Keep == "":
		return "held", b.blockedText(r.Workload)
	case r.Paused != nil:
		return "paused", b.blockedText(r.Workload)
	}
	if waiting := b.blockedText(r.Workload); waiting != "" && r.Stage == reconciler.Rolling {
		return "waiting", waiting
	}
	trouble := firstFailure(w.Slots)
	switch r.Stage {
	case reconciler.Waiting:
		return "waiting", b.blockedText(r.Workload)
	case reconciler.Rolling:
		if w.Runbook != nil {
			return "rolling", fmt.Sprintf("%s; %d of %d slots are on %s", w.Runbook.Text, w.Updated, w.Desired, r.Target.Short())
		}
		return "rolling", cmp.Or(trouble, fmt.Sprintf("%d of %d slots are on %s", w.Updated, w.Desired, r.Target.Short())+unheard(w, "; "))
	case reconciler.Reverting:
		return "reverting", backReason(r)
	case reconciler.Reverted:
		return "reverted", backReason(r)
	case reconciler.Stuck:
		return "failed", r.Reason
	case reconciler.Removing:
		return "removing", fmt.Sprintf("%d instances are ending", len(w.Slots))
	}
	switch missing := w.Desired - w.Healthy; {
	case missing <= 0:
		return "running", ""
	case missing <= w.Unknown:
		return "unknown", unheard(w, "")
	}
	return "degraded", cmp.Or(trouble, b.blockedText(r.Workload), fmt.Sprintf("%d of %d slots are healthy", w.Healthy, w.Desired)+unheard(w, "; "))
}

// unheard tells of the slots of which nothing is known yet, after a beginning; ""
// where there are none.
func unheard(w *Workload, after string) string {
	if w.Unknown == 0 {
		return ""
	}
	var names []string
	for i := range w.Slots {
		if s := &w.Slots[i]; s.Unknown && !slices.Contains(names, s.Node) {
			names = append(names, s.Node)
		}
	}
	const shown = 3
	slices.Sort(names)
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown:shown], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%s%d of %d slots are on nodes not heard since the server started: %s", after, w.Unknown, w.Desired, strings.Join(names, ", "))
}

func (b *builder) blockedText(workload string) string {
	for i := range b.in.Blocked {
		if x := &b.in.Blocked[i]; x.Workload == workload {
			return x.Text
		}
	}
	return ""
}

// firstFailure is the first slot's that is not well now.
func firstFailure(slots []Slot) string {
	for i := range slots {
		s := &slots[i]
		well := s.Phase == nodes.Running && s.Health != nodes.Unhealthy && s.Health != nodes.HealthUnknown
		if s.Failure != nil && !s.Stopping && !well {
			return s.Slot + " on " + s.Node + ": " + s.Failure.Text
		}
	}
	return ""
}
