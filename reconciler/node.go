package reconciler

import (
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// nodeView is a node as this pass sees it.
type nodeView struct {
	fact *NodeFact
	seen *nodes.Seen
	// silence is how long nothing was heard, counted from the leader's start.
	silence time.Duration
	// home is who may come to it at all; without a pool until someone asks.
	home scheduler.Home
	// cordon is why it takes no new work; nil while it does.
	cordon *Cordon
	// bare is whether it is being drained and only daemons are left on it.
	bare bool
}

func (n *nodeView) fresh() bool { return n.seen != nil && n.silence < UnreachableAfter }

// learnNodes records nodes that are new, descriptions that changed, and which
// nodes know orders that the ledger does not.
func (p *pass) learnNodes() {
	for i := range p.in.Observed.Nodes {
		r := &p.in.Observed.Nodes[i].Report
		at, known := slices.BinarySearchFunc(p.facts.Nodes, r.Node.Name, compareNodeFact)
		if !known && p.removed(r.Node.Name) {
			continue
		}
		if !known {
			p.editNodes()
			fact := NodeFact{Name: r.Node.Name, Node: r.Node, Assignment: nodes.Assignment{Node: r.Node.Name}}
			p.facts.Nodes = slices.Insert(p.facts.Nodes, at, fact)
		}
		if f := &p.facts.Nodes[at]; len(f.Unaware) > 0 {
			if ids := aware(f, r); len(ids) < len(f.Unaware) {
				p.editNodes()
				p.facts.Nodes[at].Unaware = ids
			}
		}
		ahead := ahead(&p.facts.Nodes[at], r)
		if f := &p.facts.Nodes[at]; f.Ahead != ahead || !f.Node.Equal(&r.Node) {
			p.editNodes()
			p.facts.Nodes[at].Node, p.facts.Nodes[at].Ahead = r.Node, ahead
		}
	}
}

// removed is whether an operator took the node out of the cluster: whatever is
// still heard of it, it is none.
func (p *pass) removed(node string) bool {
	at, known := slices.BinarySearchFunc(p.facts.Enrolments, node, func(e Enrolment, n string) int { return strings.Compare(e.Node, n) })
	return known && !p.facts.Enrolments[at].Removed.IsZero()
}

func compareNodeFact(f NodeFact, name string) int { return strings.Compare(f.Name, name) }

func (p *pass) viewNodes() {
	p.nodes = p.nodes[:0]
	if p.nodesByName == nil {
		p.nodesByName = map[string]int32{}
	}
	clear(p.nodesByName)
	seen := p.in.Observed.Nodes
	for i := range p.facts.Nodes {
		v := nodeView{fact: &p.facts.Nodes[i]}
		for len(seen) > 0 && seen[0].Report.Node.Name < v.fact.Name {
			seen = seen[1:]
		}
		heard := p.in.Started
		if len(seen) > 0 && seen[0].Report.Node.Name == v.fact.Name {
			v.seen = &seen[0]
			if v.seen.At.After(heard) {
				heard = v.seen.At
			}
		}
		v.silence = p.in.Now.Sub(heard)
		p.wakeAt(heard.Add(UnreachableAfter))
		v.cordon = cordonOf(p.facts.Cordons, v.fact.Name)
		v.bare = v.draining() && !slices.ContainsFunc(v.fact.Assignment.Orders, notDaemon)
		p.nodes = append(p.nodes, v)
	}
}

// silentTogether is how near to each other nodes fall silent to count as one
// event, such as a switch that broke (I26).
const silentTogether = 5 * time.Minute

// tooSilent is whether more than a third of the nodes, and more than one, fell
// silent together, work that would be replaced among what they hold. It is read
// from when each was last heard, so the pause needs no memory of its own and
// lasts until they return.
func (p *pass) tooSilent() bool {
	for i := range p.nodes {
		n := &p.nodes[i]
		if n.silence < UnreachableAfter || !slices.ContainsFunc(n.fact.Assignment.Orders, func(o nodes.Order) bool { return p.replaceable(n, &o) }) {
			continue
		}
		together := p.silentBetween(n.silence-silentTogether, n.silence+silentTogether)
		if together > 1 && 3*together > len(p.nodes) {
			return true
		}
	}
	return false
}

func (p *pass) silentBetween(least, most time.Duration) (count int) {
	for i := range p.nodes {
		if s := p.nodes[i].silence; s >= UnreachableAfter && s >= least && s <= most {
			count++
		}
	}
	return count
}

// replaceable is whether the order would be given to another node if its own
// were lost.
func (p *pass) replaceable(n *nodeView, o *nodes.Order) bool {
	if o.Stop || o.Step != nil || o.Workload == nil {
		return false
	}
	if o.Workload.Kind.Runs() {
		return o.Workload.OnLost == schema.RetryElsewhere && !p.facts.Ended(n.fact.Name, o)
	}
	return replacedWhenLost(o.Workload)
}
