package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// need is one amount that a request asks for, and how to tell of it.
type need struct {
	want int64
	have func(n int32) int64
	text func(amount int64) string
	// none is what is told where no node has any of it.
	none string
}

// needs are the amounts of a request, those of no one first.
func (g *run) needs() []need {
	t := g.t
	all := []need{
		{want: g.q.cpu, have: func(n int32) int64 { return t.capCPU[n] }, text: func(a int64) string { return schema.CPU(a).String() + " cpu" }},
		{want: g.q.mem, have: func(n int32) int64 { return t.capMem[n] }, text: func(a int64) string { return schema.Bytes(a).Human() + " memory" }},
	}
	for i := range g.goods {
		good := &g.goods[i]
		all = append(all, need{want: good.amount, have: func(n int32) int64 { return g.whole(i, n) },
			text: func(a int64) string { return good.text(a) + " " + good.label() + good.kind() }, none: "no node has any " + good.label() + good.kind()})
	}
	return all
}

// kind is what a device is to be like: " with model = a100".
func (g *good) kind() string {
	var parts []string
	for i := range g.rules {
		c := &g.rules[i]
		parts = append(parts, strings.TrimSpace(strings.TrimPrefix(c.Attribute, g.name+".")+" "+c.Op+" "+c.Value+strings.Join(c.Values, ", ")))
	}
	if len(parts) == 0 {
		return ""
	}
	return " with " + strings.Join(parts, " and ")
}

// tooLarge tells of the first amount that no node has, or that none has all of
// them together. What classes can tell no node is asked for.
func (g *run) tooLarge(able []bool) string {
	needs := g.needs()
	most := make([]int64, len(needs))
	if g.r.Only == "" {
		most[0], most[1] = g.largest(able)
	}
	if g.r.Only != "" || len(needs) > 2 || most[0] >= needs[0].want && most[1] >= needs[1].want {
		g.widen(able, needs, most)
	}
	for k := range needs {
		if most[k] < needs[k].want {
			return g.tooLittle(&needs[k], most[k], slices.Contains(able, false))
		}
	}
	return g.notTogether(needs, able)
}

// largest is what the largest nodes of the classes have in all.
func (g *run) largest(able []bool) (cpu, mem int64) {
	for c, ok := range able {
		if s := &g.t.index.shelf[c]; ok {
			cpu, mem = max(cpu, s.mostCPU), max(mem, s.mostMem)
		}
	}
	return cpu, mem
}

// widen asks each node for the most of every amount.
func (g *run) widen(able []bool, needs []need, most []int64) {
	for i := range g.t.nodes {
		if n := int32(i); g.eligible(able, n) {
			for k := range needs {
				most[k] = max(most[k], needs[k].have(n))
			}
		}
	}
}

func (g *run) tooLittle(of *need, most int64, some bool) string {
	whose := "the largest node"
	switch {
	case most == 0 && of.none != "":
		return fmt.Sprintf("it needs %s, and %s", of.text(of.want), of.none)
	case g.r.Only != "":
		whose = g.r.Only
	case some:
		whose = "the largest node that may take it"
	}
	return fmt.Sprintf("it needs %s, and %s has %s", of.text(of.want), whose, amountOnly(of, most))
}

// amountOnly is an amount without what it is of.
func amountOnly(of *need, amount int64) string {
	text, _, _ := strings.Cut(of.text(amount), " ")
	return text
}

// notTogether tells what the node has that lacks the fewest amounts, the first of
// equals.
func (g *run) notTogether(needs []need, able []bool) string {
	near, lacks := int32(-1), []string(nil)
	for i := range g.t.nodes {
		if n := int32(i); g.eligible(able, n) {
			if l := g.lacking(needs, n); near < 0 || len(l) < len(lacks) {
				near, lacks = n, l
			}
		}
	}
	var want []string
	for k := range needs {
		if needs[k].want > 0 {
			want = append(want, needs[k].text(needs[k].want))
		}
	}
	if ports := len(g.r.Workload.Ports); ports > 0 {
		want = append(want, countOf(ports, "host port"))
	}
	return fmt.Sprintf("no one node has %s together: %s has %s", strings.Join(want, ", "), g.t.Name(int(near)), strings.Join(lacks, ", "))
}

// lacking are the amounts of a node that are too small.
func (g *run) lacking(needs []need, n int32) (all []string) {
	for k := range needs {
		if have := needs[k].have(n); have < needs[k].want {
			all = append(all, needs[k].text(have))
		}
	}
	if node := g.t.nodes[n].Node; !g.rangeFits(n) {
		all = append(all, fmt.Sprintf("host ports %d to %d", node.PortMin, node.PortMax))
	}
	return all
}
