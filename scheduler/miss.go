package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// missText tells what a node lacks.
func (g *run) missText(filter int, i int32) string {
	n, w := &g.t.nodes[i], g.r.Workload
	name := n.Node.Name
	home := &g.t.classes[g.t.class[i]].home
	cpu, mem := n.free()
	switch filter {
	case filterNode:
		return g.boundText()
	case filterClosed:
		return fmt.Sprintf("%s is %s", name, n.Closed)
	case filterEnding:
		if name == g.r.Leaves {
			return fmt.Sprintf("it runs on %s now, and may not stay there", name)
		}
		return fmt.Sprintf("on %s the same instance is still ending", name)
	case filterAmount:
		return "asks for an amount that is none"
	case filterPool:
		if home.Rival != "" && g.t.tree.Within(w.Pool, home.Rival) {
			return fmt.Sprintf("wants pool %q, and pools %q and %q both claim %s; it is in %q", w.Pool, home.Pool, home.Rival, name, home.Pool)
		}
		return fmt.Sprintf("wants pool %q; %s is in %q", w.Pool, name, home.Pool)
	case filterTaint:
		return fmt.Sprintf("%s has the taint %q", name, home.repels(w))
	case filterConstraint:
		return needMiss(n.Node, w, g.t.known)
	case filterPolicy:
		return fmt.Sprintf("%s refuses it by its own policy %s", name, home.refusal(w))
	case filterHeld:
		return fmt.Sprintf("what %s has free is kept for other pools", name)
	case filterNear, filterMost:
		return g.forbids(g.viewOf(i), i).miss(g, i)
	case filterDisk, filterDevice:
		return g.goodsMiss(i)
	case filterCPU:
		return fmt.Sprintf("needs %s cpu; %s has %s free of %s, %s reserved", w.Resources.CPU, name,
			schema.CPU(max(cpu, 0)), n.Node.Allocatable.CPU, n.Reserved.CPU)
	case filterMemory:
		return fmt.Sprintf("needs %s memory; %s has %s free of %s, %s reserved", w.Resources.Memory.Human(), name,
			schema.Bytes(max(mem, 0)).Human(), n.Node.Allocatable.Memory.Human(), n.Reserved.Memory.Human())
	}
	return g.portMiss(n)
}

// boundText tells of the node that the request is bound to.
func (g *run) boundText() string {
	text := "wants node " + g.r.Only
	if g.r.Stays {
		text = "its data is on " + g.r.Only
	}
	if g.t.at(g.r.Only) < 0 {
		text += ", which is none of the nodes"
	}
	return text
}

// portMiss tells of the first fixed host port that is not free, and who has it,
// or of how few are left to choose from.
func (g *run) portMiss(n *Node) string {
	w, name := g.r.Workload, n.Node.Name
	p := takenPort(n, w)
	switch {
	case p == 0:
		return fmt.Sprintf("needs %d host ports; %s has %d left of %d to %d", rangePorts(n, w), name, freePorts(n), n.Node.PortMin, n.Node.PortMax)
	case has(n.Node.BusyPorts, p):
		return fmt.Sprintf("wants host port %d; on %s a program outside the cluster holds it", p, name)
	}
	return fmt.Sprintf("wants host port %d; on %s %s holds it", p, name, cmp.Or(g.t.portHolder(name, p), "another slot"))
}

// portHolder names the slot that holds a host port, one that was just placed too;
// "" if nobody knows.
func (t *Table) portHolder(node string, port int) string {
	if t.dealt != nil {
		for i := range t.dealt.groups {
			g := &t.dealt.groups[i]
			for k := range t.dealt.placed[g.from : g.from+g.done] {
				if p := &t.dealt.placed[int(g.from)+k]; p.Node == node && slices.Contains(p.Ports, port) {
					return p.Slot.String()
				}
			}
		}
	}
	if t.holder == nil {
		return ""
	}
	return t.holder(node, port)
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
func (c *counter) miss(g *run, i int32) string {
	n := g.t.nodes[i].Node
	where := n.Name
	if !c.each {
		value, have := n.Attributes[c.attribute]
		if !have {
			return fmt.Sprintf("wants a place by %s; %s has no such attribute", c.attribute, n.Name)
		}
		where = c.attribute + " " + value
	}
	slots, _ := c.count(g, g.viewOf(i), i)
	switch {
	case c.kind == bounds:
		return fmt.Sprintf("wants at most %d for each %s; %s has %d", c.most, c.attribute, where, slots)
	case c.near.Apart:
		return fmt.Sprintf("wants to be apart from %s; %s has %s of it", c.near.Workload, where, countOf(int(slots), "slot"))
	}
	return fmt.Sprintf("wants to be near %s, which is %s; %s has none of it", c.near.Workload, c.whereabouts(g), where)
}

// whereabouts tells where the workload is that this one is to be near to.
func (c *counter) whereabouts(g *run) string {
	var places []string
	for _, s := range g.t.spots.each(g.t.spots.of(c.near.Workload)) {
		if s.slots <= 0 {
			continue
		}
		n := g.t.nodes[s.node].Node
		place := n.Name
		if v, have := n.Attributes[c.attribute]; have && !c.each {
			place = c.attribute + " " + v
		}
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
		if len(places) > maxPlaces {
			return "on many nodes"
		}
	}
	if len(places) == 0 {
		return "nowhere"
	}
	slices.Sort(places)
	if c.each {
		return "on " + strings.Join(places, ", ")
	}
	return "in " + strings.Join(places, ", ")
}

// maxPlaces is how many places are told by name.
const maxPlaces = 4

// countOf is "1 slot" or "3 slots".
func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// goodsMiss tells of the first good that a node has too little of.
func (g *run) goodsMiss(n int32) string {
	want, node := &g.goods[g.lacksGood(n)], g.t.nodes[n].Node
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
