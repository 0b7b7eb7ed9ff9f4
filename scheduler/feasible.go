package scheduler

import (
	"fmt"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// The filters in the order in which they are asked. The first that refuses a
// node is the one that the node counts under.
const (
	filterNode = iota
	filterClosed
	filterEnding
	filterAmount
	filterPool
	filterTaint
	filterConstraint
	filterNear
	filterMost
	filterCPU
	filterMemory
	filterDisk
	filterDevice
	filterPort
	filterCount
)

var filterNames = [filterCount]string{"node", "closed", "ending", "amount", "pool", "taint", "constraint", "near", "most",
	"cpu", "memory", "disk", "device", "port"}

// Verdict is what a node says to a request.
type Verdict struct {
	// Fits is whether it can take the request; Score then tells how well, and
	// otherwise Filter what refuses it and Miss by how much.
	Fits         bool
	Score        Score
	Filter, Miss string
}

// Ask asks the i-th node about a request, by the one rule that the preview, the
// placement and the check when an order is made go by.
func (t *Table) Ask(i int, r *Request) Verdict {
	t.tell([]Request{*r})
	g := t.run(r)
	defer t.end(g)
	t.hold(g)
	g.leave(t.at(r.Leaves))
	return g.verdict(int32(i))
}

// AskAll asks every node, and the request's pool, which may refuse them all.
func (t *Table) AskAll(r *Request) []Verdict {
	t.tell([]Request{*r})
	g := t.run(r)
	defer t.end(g)
	t.hold(g)
	g.leave(t.at(r.Leaves))
	all := make([]Verdict, len(t.nodes))
	why := t.shares.forbid(t.shares.leaf(t, r.Workload.Pool), r.Workload, len(all))
	for i := range all {
		all[i] = g.verdict(int32(i))
		if why != nil && all[i].Fits {
			all[i] = Verdict{Filter: why.Refusals[0].Filter, Miss: why.Refusals[0].Nearest}
		}
	}
	return all
}

func (g *run) verdict(n int32) Verdict {
	if f, _ := g.refuse(n); f >= 0 {
		return Verdict{Filter: filterNames[f], Miss: g.missText(f, n)}
	}
	return Verdict{Fits: true, Score: g.scoreOf(n)}
}

// missText tells what a node lacks.
func (g *run) missText(filter int, i int32) string {
	n, r, w := &g.t.nodes[i], g.r, g.r.Workload
	name := n.Node.Name
	cpu, mem := n.free()
	switch filter {
	case filterNode:
		if r.Stays {
			return fmt.Sprintf("its data is on %s", r.Only)
		}
		return fmt.Sprintf("wants node %s", r.Only)
	case filterClosed:
		return fmt.Sprintf("%s is %s", name, n.Closed)
	case filterEnding:
		return fmt.Sprintf("on %s the same instance is still ending", name)
	case filterAmount:
		return "asks for an amount that is none"
	case filterPool:
		return fmt.Sprintf("wants pool %q; %s is in %q", w.Pool, name, g.t.classes[g.t.class[i]].home.Pool)
	case filterTaint:
		return fmt.Sprintf("%s has the taint %q", name, g.t.classes[g.t.class[i]].home.repels(w))
	case filterConstraint:
		return needMiss(n.Node, w, g.t.known)
	case filterNear, filterMost:
		return g.forbids(g.viewOf(i), i).miss(n.Node)
	case filterDisk, filterDevice:
		return g.goodsMiss(i)
	case filterCPU:
		return fmt.Sprintf("needs %s cpu; %s has %s free of %s, %s reserved", w.Resources.CPU, name,
			schema.CPU(max(cpu, 0)), n.Node.Allocatable.CPU, n.Reserved.CPU)
	case filterMemory:
		return fmt.Sprintf("needs %s memory; %s has %s free of %s, %s reserved", w.Resources.Memory.Human(), name,
			schema.Bytes(max(mem, 0)).Human(), n.Node.Allocatable.Memory.Human(), n.Reserved.Memory.Human())
	}
	if p := takenPort(n, w); p != 0 {
		if has(n.Node.BusyPorts, p) {
			return fmt.Sprintf("wants host port %d; on %s a program outside the cluster holds it", p, name)
		}
		return fmt.Sprintf("wants host port %d; on %s another slot holds it", p, name)
	}
	return fmt.Sprintf("needs %d host ports; %s has %d left of %d to %d", rangePorts(n, w), name,
		freePorts(n), n.Node.PortMin, n.Node.PortMax)
}

// needMiss also says why, where the workload does not ask for it in so many words.
func needMiss(n *nodes.Node, w *schema.Workload, known schema.Patterns) string {
	needs := w.Needs()
	i := broken(n, needs, known)
	miss := constraintMiss(n, &needs[i])
	volume, isVolume := schema.HostVolumeName(needs[i].Attribute)
	switch {
	case i < len(w.Constraints):
		return miss
	case isVolume:
		return hostVolumeMiss(n, volume)
	case needs[i].Attribute == "java":
		return "a Java program without an image " + miss
	}
	return "an artifact " + miss
}

// missVolume is the host volume for want of which a node refuses; empty for none.
func (g *run) missVolume(filter int, i int32) string {
	if filter != filterConstraint {
		return ""
	}
	needs := g.r.Workload.Needs()
	name, is := schema.HostVolumeName(needs[broken(g.t.nodes[i].Node, needs, g.t.known)].Attribute)
	if !is {
		return ""
	}
	return name
}

func hostVolumeMiss(n *nodes.Node, name string) string {
	if _, declared := n.Attributes[schema.HostVolume(name)]; declared {
		return fmt.Sprintf("needs host volume %q to write to; %s declares it read-only", name, n.Name)
	}
	return fmt.Sprintf("needs host volume %q; %s declares none of that name", name, n.Name)
}

func constraintMiss(n *nodes.Node, c *schema.Constraint) string {
	want := c.Op + " " + c.Value
	switch c.Op {
	case "in":
		want = "in " + strings.Join(c.Values, ", ")
	case "exists":
		want = "to exist"
	case "matches":
		want = "to match " + c.Value
	}
	have, ok := n.Attributes[c.Attribute]
	if !ok {
		return fmt.Sprintf("wants %s %s; %s has no such attribute", c.Attribute, want, n.Name)
	}
	return fmt.Sprintf("wants %s %s; %s has %q", c.Attribute, want, n.Name, have)
}

// miss tells how a node breaks the rule.
func (c *counter) miss(n *nodes.Node) string {
	where := n.Name
	if !c.each {
		value, have := n.Attributes[c.attribute]
		if !have {
			return fmt.Sprintf("wants a place by %s; %s has no such attribute", c.attribute, n.Name)
		}
		where = c.attribute + " " + value
	}
	switch {
	case c.kind == bounds:
		return fmt.Sprintf("wants at most %d for each %s; %s has as many", c.most, c.attribute, where)
	case c.near.Apart:
		return fmt.Sprintf("wants to be apart from %s; %s has some of it", c.near.Workload, where)
	}
	return fmt.Sprintf("wants to be near %s; %s has none of it", c.near.Workload, where)
}

// goodsMiss tells of the first good that a node has too little of.
func (g *run) goodsMiss(n int32) string {
	i, _, _ := g.refuseGoods(n)
	want, node := &g.goods[i], g.t.nodes[n].Node
	if k := broken(node, want.rules, g.t.known); k >= 0 {
		return constraintMiss(node, &want.rules[k])
	}
	s := g.t.stockOf(want.name)
	if s.all[n] == 0 {
		return fmt.Sprintf("needs %s %s; %s has none", want.text(want.amount), want.label(), node.Name)
	}
	return fmt.Sprintf("needs %s %s; %s has %s free of %s", want.text(want.amount), want.label(), node.Name,
		want.text(s.free[n]), want.text(s.all[n]))
}
