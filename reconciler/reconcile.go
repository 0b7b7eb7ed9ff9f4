package reconciler

import (
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// UnreachableAfter is the silence after which a node's slots no longer count
// as available: three heartbeats of five seconds. It does not grow with the
// cluster, since a node's silence is its own.
const UnreachableAfter = 15 * time.Second

// Reconcile decides one pass. It takes in what the repository asks for, walks
// every workload once in the order of their names, places what is missing and
// writes one new Assignment for each node whose orders changed.
func Reconcile(in Input) Plan {
	p := newPass(in)
	p.endHolds()
	p.accept()
	p.overtake()
	p.look()
	p.tendVolumes()
	for _, i := range p.inOrder() {
		p.work(int(i))
	}
	p.strays()
	p.place()
	p.tidySteps()
	p.drain()
	p.settleRollouts()
	p.forgetJobs()
	p.closeCommits()
	p.recordEnds()
	p.tellLingering()
	plan := p.plan()
	if p.dirty {
		p.newAge()
	}
	*p = pass{} // whose memory is the next one's
	return plan
}

// pass is the state of one call of Reconcile. facts is a working copy: a slice
// in it is replaced before it is written to.
type pass struct {
	in    Input
	facts Facts
	dirty bool // facts differ from the Input's

	*Scratch
	paused  bool // too many nodes fell silent at once (I26)
	blocked []Blocked
	changes []Change
	wake    time.Time

	// volumesFrom is where the facts about the volumes of the workload that was last
	// asked for would begin, had each slot one.
	volumesFrom int

	pool *scheduler.Pool // built when the first request comes
	// stays is why slots that a drain would move stay where they are.
	stays map[schema.Slot]string

	ownRollouts, ownCommits, ownNodes, ownVolumes, ownEnds bool
	ownRuns                                                map[runKey]bool // nil until facts.Jobs is this pass's own
}

// Scratch is what a pass works in. Its content never matters to the next one.
type Scratch struct {
	pass    pass
	nodes   []nodeView
	byName  map[string]int32 // rollout by workload
	entries []entry
	sorted  []entry
	starts  []int32 // of each rollout's entries in sorted; the last is the end
	wants   []want
	edits   []edit
	// deletions are the changes to what nodes are ordered to delete.
	deletions []deletion
	// nodesByName are their places, made when the first is asked for.
	nodesByName map[string]int32
	// ordinals are a stateful workload's slots as they are walked.
	ordinals []slotView
	// homesFrom is where the facts about the volumes of each rollout would begin, had
	// each slot one.
	homesFrom []int32
	homes     []int32 // of a daemon: 1 + the index of the slot that is at home on each node
	outcome   []slotCount
	marks     []mark // the slots of the ordered rollout that is being walked
	gists     []gist // of the rollouts
	// fellowsOf are the peers of each rollout, as of this age: until any of the facts
	// changes that tell where slots are at home and where nodes are.
	fellowsOf   []fellows
	age         uint64
	agedVolumes []VolumeFact
	agedNodes   []NodeFact
	walk        []int32 // of the rollouts, as they are walked
	visits      []visit
	known       schema.Patterns
	firings     map[string]*firing // of each cron
}

// maxPatterns is how many compiled patterns are kept from pass to pass.
const maxPatterns = 1000

// entry is one instance: ordered, observed, or both.
type entry struct {
	node  int32
	group int32 // which of the groups it is in, once they are counted
	order *nodes.Order
	inst  *nodes.Instance
	// retired is whether this pass told it to stop.
	retired bool
}

func (e *entry) slot() schema.Slot {
	if e.order != nil {
		return e.order.Slot
	}
	return e.inst.Slot
}

// text is the workload as ordered; nil where that is not known.
func (e *entry) text() *schema.Workload {
	if e.order == nil {
		return nil
	}
	return e.order.Workload
}

func newPass(in Input) *pass {
	s := in.Scratch
	if s == nil {
		s = &Scratch{}
	}
	s.wants, s.edits, s.deletions = s.wants[:0], s.edits[:0], s.deletions[:0]
	if s.known == nil || len(s.known) > maxPatterns {
		s.known = schema.Patterns{}
	}
	s.pass = pass{in: in, facts: in.Facts, Scratch: s}
	return &s.pass
}

// wakeAt asks for another pass at t, if that is still to come.
func (p *pass) wakeAt(t time.Time) {
	if t.After(p.in.Now) && (p.wake.IsZero() || t.Before(p.wake)) {
		p.wake = t
	}
}

// look gathers nodes and instances and groups the instances by workload.
func (p *pass) look() {
	p.learnNodes()
	p.sameAge()
	p.viewNodes()
	p.merge()
	p.group()
	p.forgetVanished()
	p.paused = p.tooSilent()
}

// merge pairs each node's orders with its reported instances.
func (p *pass) merge() {
	p.entries = p.entries[:0]
	for i := range p.nodes {
		n := &p.nodes[i]
		orders := n.fact.Assignment.Orders
		var insts []nodes.Instance
		if n.seen != nil {
			insts = n.seen.Report.Instances
		}
		for len(orders) > 0 || len(insts) > 0 {
			e := entry{node: int32(i)}
			c := headOrder(orders, insts)
			if c <= 0 {
				e.order, orders = &orders[0], orders[1:]
			}
			if c >= 0 {
				e.inst, insts = &insts[0], insts[1:]
			}
			p.entries = append(p.entries, e)
		}
	}
}

// headOrder is which of the two heads comes first; zero is both.
func headOrder(orders []nodes.Order, insts []nodes.Instance) int {
	switch {
	case len(orders) == 0:
		return 1
	case len(insts) == 0:
		return -1
	}
	return strings.Compare(orders[0].ID, insts[0].ID)
}

// group sorts the entries by workload with a counting sort, then each
// workload's by slot. Entries of no rollout, and what is left alone, go to the
// end, and those of steps behind them.
func (p *pass) group() {
	k := len(p.facts.Rollouts)
	if p.byName == nil {
		p.byName = map[string]int32{}
	}
	clear(p.byName)
	for i := range p.facts.Rollouts {
		p.byName[p.facts.Rollouts[i].Workload] = int32(i)
	}
	p.starts = slices.Grow(p.starts[:0], k+4)[:k+4]
	clear(p.starts)
	for i := range p.entries {
		e := &p.entries[i]
		e.group = p.groupOf(e)
		p.starts[e.group+2]++
	}
	for i := 2; i < len(p.starts); i++ {
		p.starts[i] += p.starts[i-1]
	}
	p.sorted = slices.Grow(p.sorted[:0], len(p.entries))[:len(p.entries)]
	for i := range p.entries {
		at := &p.starts[p.entries[i].group+1]
		p.sorted[*at] = p.entries[i]
		*at++
	}
	for i := range k {
		slices.SortFunc(p.groupAt(i), compareEntries)
	}
}

func (p *pass) groupOf(e *entry) int32 {
	none := int32(len(p.facts.Rollouts))
	if e.order != nil && e.order.Step != nil {
		return none + 1
	}
	if i, ok := p.byName[e.slot().Workload]; ok && !p.leftAlone(e) {
		return i
	}
	return none
}

// groupAt is the entries of the i-th rollout; those of none stand behind the
// last.
func (p *pass) groupAt(i int) []entry { return p.sorted[p.starts[i]:p.starts[i+1]] }

// compareEntries orders by slot; within a slot the merge's order, which is by
// node, is kept by comparing it.
func compareEntries(a, b entry) int {
	if c := a.slot().Index - b.slot().Index; c != 0 {
		return c
	}
	if c := int(a.node - b.node); c != 0 {
		return c
	}
	return strings.Compare(a.id(), b.id())
}

func (e *entry) id() string {
	if e.order != nil {
		return e.order.ID
	}
	return e.inst.ID
}

// The own… methods copy a slice of the facts before its first change.

func (p *pass) editNodes() {
	p.dirty = true
	if !p.ownNodes {
		p.facts.Nodes, p.ownNodes = slices.Clone(p.facts.Nodes), true
	}
}

func (p *pass) editRollouts() {
	p.dirty = true
	if !p.ownRollouts {
		p.facts.Rollouts, p.ownRollouts = slices.Clone(p.facts.Rollouts), true
	}
}

func (p *pass) editCommits() {
	p.dirty = true
	if !p.ownCommits {
		p.facts.Commits, p.ownCommits = slices.Clone(p.facts.Commits), true
	}
}
