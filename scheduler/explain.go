package scheduler

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Explain counts, per filter, the nodes that refuse the request, with the
// nearest miss of each.
func (t *Table) Explain(r *Request) Why { return t.explainBut(r, nil) }

// explainBut is Explain where the nodes of the barred pools are held for others.
func (t *Table) explainBut(r *Request, barred []int32) (why Why) {
	t.asking(r, barred, func(g *run) { why = *g.explain() })
	return why
}

// tally is one filter's part of an explanation.
type tally struct {
	nodes int
	near  int32 // the nearest miss
	lack  int64 // its own
	more  int   // its own, once it was asked for; else −1
}

func (g *run) explain() *Why {
	var tallies [filterCount]tally
	for i := range g.t.nodes {
		if f := g.refuse(int32(i)); f >= 0 {
			tallies[f].add(g, f, int32(i))
		}
	}
	why := &Why{Nodes: len(g.t.nodes), Never: g.never()}
	for f := range tallies {
		if of := &tallies[f]; of.nodes > 0 {
			why.Refusals = append(why.Refusals, Refusal{filterNames[f], of.nodes, g.missText(f, of.near) + g.beside(f, of), g.missVolume(f, of.near)})
		}
	}
	return why
}

// add counts a node, which is the nearest miss if it is nearer than all before it,
// in the order of far.
func (of *tally) add(g *run, f int, n int32) {
	lack := g.lack(f, n)
	of.nodes++
	switch {
	case of.nodes == 1 || lack < of.lack:
		of.near, of.lack, of.more = n, lack, -1
	case lack == of.lack && of.more != 0:
		of.tie(g, f, n)
	}
}

// tie is between the nearest miss and a node that lacks as much.
func (of *tally) tie(g *run, f int, n int32) {
	if of.more < 0 {
		of.more = g.more(f, of.near)
	}
	if more := g.more(f, n); more < of.more {
		of.near, of.more = n, more
	}
}

// beside tells why others are closed, where that is not all for one cause, and of
// the other constraints that the nearest miss breaks.
func (g *run) beside(filter int, of *tally) string {
	switch filter {
	case filterClosed:
		return g.closedBeside(of.near)
	case filterConstraint:
		if of.lack > 1 {
			return fmt.Sprintf(", and %d of its other constraints are broken", of.lack-1)
		}
	}
	return ""
}

// closedBeside counts the closed nodes by cause: "; of all, 3 are unreachable, 2 cordoned".
func (g *run) closedBeside(near int32) string {
	causes := map[string]int{}
	for i := range g.t.nodes {
		if g.refuse(int32(i)) == filterClosed {
			causes[g.t.nodes[i].Closed]++
		}
	}
	if len(causes) == 1 {
		return ""
	}
	names := sortedKeys(causes)
	slices.SortStableFunc(names, func(a, b string) int { return causes[b] - causes[a] })
	var parts []string
	for i, name := range names[:min(len(names), maxPlaces)] {
		parts = append(parts, fmt.Sprintf("%d %s", causes[name], name))
		if i == maxPlaces-1 && len(names) > maxPlaces {
			parts = append(parts, "others for other causes")
		}
	}
	return "; in all " + strings.Join(parts, ", ")
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
	if len(parts) == 1 && w.Refusals[0].Filter == filterNames[filterClosed] && w.Refusals[0].Nodes == w.Nodes {
		parts[0] = "all are closed (" + w.Refusals[0].Nearest + ")"
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
