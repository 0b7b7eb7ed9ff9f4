package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// never tells why no node could take the request if all of them were open and
// held nothing; "" where one could. Where it is bound to a node that one alone
// counts. What other slots and programs have is given back some day, so that
// neighbours, bounds and ports that are held are no reasons.
func (g *run) never() string {
	able := g.ableClasses()
	switch {
	case len(g.t.nodes) == 0 || g.r.Only != "" && g.t.at(g.r.Only) < 0 || oddAmount(g.r.Workload):
		return ""
	case !slices.Contains(able, true):
		return g.noClass()
	}
	for i := range g.counters {
		if text := g.noPlace(&g.counters[i], able); text != "" {
			return text
		}
	}
	if g.anyCould(able) {
		return ""
	}
	return g.tooLarge(able)
}

// ableClasses are those that the rules on attributes let in, of the node that the
// request is bound to if it is.
func (g *run) ableClasses() (able []bool) {
	only := g.t.at(g.r.Only)
	for c := range g.t.classes {
		able = append(able, g.rules[c] < 0 && (only < 0 || g.t.class[only] == int32(c)))
	}
	return able
}

// noClass tells of the rule on attributes that lets no class in: of the last one
// that any class came to.
func (g *run) noClass() string {
	last, w := 0, g.r.Workload
	for c, f := range g.rules {
		if g.counted(c) {
			last = max(last, f)
		}
	}
	var heads []*nodes.Node
	for c, f := range g.rules {
		if g.counted(c) && f == last {
			heads = append(heads, g.t.nodes[g.t.classes[c].head].Node)
		}
	}
	switch last {
	case filterPool:
		return fmt.Sprintf("no node is of pool %q or of one that it is a part of", w.Pool)
	case filterTaint:
		return "every node that its pool may use has a taint that it does not tolerate"
	case filterPolicy:
		return "every node that meets its constraints refuses it by a policy of its own"
	}
	return g.noNodeMeets(heads, w.Needs())
}

// counted is whether nodes of the class come into question at all.
func (g *run) counted(c int) bool {
	only := g.t.at(g.r.Only)
	return only < 0 || int(g.t.class[only]) == c
}

// noNodeMeets tells of the first constraint that none of the nodes meets, or that
// none meets all of them.
func (g *run) noNodeMeets(heads []*nodes.Node, needs []schema.Constraint) string {
	for i := range needs {
		c := &needs[i]
		if slices.ContainsFunc(heads, func(n *nodes.Node) bool { return c.Holds(n.Attributes, g.t.known) }) {
			continue
		}
		if volume, is := schema.HostVolumeName(c.Attribute); is {
			return fmt.Sprintf("no node declares host volume %q as it is needed", volume)
		}
		return "no node has " + c.Attribute + g.valuesText(c, heads)
	}
	return "no one node meets all of its constraints"
}

// valuesText is what is wanted of an attribute, beside the values that there are.
func (g *run) valuesText(c *schema.Constraint, heads []*nodes.Node) string {
	var values []string
	for _, n := range heads {
		if v, have := n.Attributes[c.Attribute]; have && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return " at all"
	}
	text := " " + c.Op + " " + c.Value
	if c.Op == "in" {
		text = " in " + strings.Join(c.Values, ", ")
	}
	if len(values) > maxPlaces || g.t.trait(c.Attribute).many {
		return text
	}
	slices.Sort(values)
	return text + ", only " + strings.Join(values, ", ")
}

// noPlace tells where a rule asks for a place beside others by an attribute that
// no node has. Those that have none of it come into question no more.
func (g *run) noPlace(c *counter, able []bool) string {
	if c.each || c.kind != nears || !c.near.Must || c.near.Apart {
		return ""
	}
	some := slices.Contains(able, false)
	for k := range able {
		_, have := g.t.nodes[g.t.classes[k].head].Node.Attributes[c.attribute]
		able[k] = able[k] && have
	}
	switch {
	case slices.Contains(able, true):
		return ""
	case some:
		return fmt.Sprintf("it is to be near %s by %s, which no node that may take it has", c.near.Workload, c.attribute)
	}
	return fmt.Sprintf("it is to be near %s by %s, which no node has", c.near.Workload, c.attribute)
}

// anyCould is whether any node of these classes has enough of everything.
func (g *run) anyCould(able []bool) bool {
	t := g.t
	for i := range t.nodes {
		c := t.class[i]
		if s := &t.index.shelf[c]; !able[c] || s.mostCPU < g.q.cpu || s.mostMem < g.q.mem {
			continue
		}
		if g.eligible(able, int32(i)) && t.capCPU[i] >= g.q.cpu && t.capMem[i] >= g.q.mem && g.lacksWhole(int32(i)) < 0 && g.rangeFits(int32(i)) {
			return true
		}
	}
	return false
}

// eligible is whether a node comes into question but for its amounts.
func (g *run) eligible(able []bool, n int32) bool {
	return able[g.t.class[n]] && (g.r.Only == "" || g.t.at(g.r.Only) == n)
}

// lacksWhole is the first good that a node has too little of in all, or −1.
func (g *run) lacksWhole(n int32) int {
	for i := range g.goods {
		if g.whole(i, n) < g.goods[i].amount {
			return i
		}
	}
	return -1
}

// whole is how much a node has of a good in all; none of devices of another make.
func (g *run) whole(good int, n int32) int64 {
	if broken(g.t.nodes[n].Node, g.goods[good].rules, g.t.known) >= 0 {
		return 0
	}
	return g.t.stockOf(g.goods[good].name).all[n]
}

// rangeFits is whether the node's range has as many host ports as are asked for.
func (g *run) rangeFits(n int32) bool {
	node := &g.t.nodes[n]
	want := rangePorts(node, g.r.Workload)
	return want == 0 || want <= node.Node.PortMax-node.Node.PortMin+1
}
