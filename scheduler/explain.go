package scheduler

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// Explain counts, per filter, the nodes that refuse the request, with the
// nearest miss of each.
func (t *Table) Explain(r *Request) Why {
	t.tell([]Request{*r})
	g := t.run(r)
	defer t.end(g)
	t.hold(g)
	g.leave(t.at(r.Leaves))
	return *g.explain()
}

// tally is one filter's part of an explanation.
type tally struct {
	nodes int
	by    int64
	near  int32
}

func (g *run) explain() *Why {
	var tallies [filterCount]tally
	for i := range g.t.nodes {
		f, by := g.refuse(int32(i))
		if f < 0 {
			continue
		}
		of := &tallies[f]
		if of.nodes == 0 || by < of.by {
			of.by, of.near = by, int32(i)
		}
		of.nodes++
	}
	why := &Why{Nodes: len(g.t.nodes), Never: g.never()}
	for f, of := range tallies {
		if of.nodes > 0 {
			why.Refusals = append(why.Refusals, Refusal{filterNames[f], of.nodes, g.missText(f, of.near), g.missVolume(f, of.near)})
		}
	}
	return why
}

// never tells the largest node where even that is too small.
func (g *run) never() string {
	if len(g.views) == 0 {
		return ""
	}
	cpu, mem := g.t.largest(func(c int32) bool { return g.rules[c].filter < 0 })
	switch {
	case cpu < g.q.cpu:
		return fmt.Sprintf("it needs %s cpu, and the largest node has %s", schema.CPU(g.q.cpu), schema.CPU(cpu))
	case mem < g.q.mem:
		return fmt.Sprintf("it needs %s memory, and the largest node has %s", schema.Bytes(g.q.mem).Human(), schema.Bytes(mem).Human())
	}
	return ""
}

// String is one sentence: "0 of 3 nodes can take it: 2 lack memory (needs …)".
func (w *Why) String() string {
	if w.Nodes == 0 {
		return "no node has joined"
	}
	parts := make([]string, len(w.Refusals))
	for i, r := range w.Refusals {
		parts[i] = strconv.Itoa(r.Nodes) + " refused by " + r.Filter + " (" + r.Nearest + ")"
	}
	text := "none of " + strconv.Itoa(w.Nodes) + " nodes can take it: " + strings.Join(parts, "; ")
	if w.Never != "" {
		text += "; no node ever could: " + w.Never
	}
	if w.Gang != "" {
		text += "; " + w.Gang
	}
	return text
}
