package scheduler

import (
	"strconv"
	"strings"
)

// Explain counts, per filter, the nodes that refuse the request, with the
// nearest miss of each.
func (t *Table) Explain(r *Request) Why {
	e := explainer{t: t, r: r, rules: make([]verdict, len(t.classes))}
	for c := range t.classes {
		f, by := refuseRules(&t.nodes[t.classes[c].head], r)
		e.rules[c] = verdict{filter: f, by: by}
	}
	for i := range t.nodes {
		e.count(int32(i))
	}
	why := Why{Nodes: len(t.nodes)}
	for f, of := range e.tallies {
		if of.nodes > 0 {
			why.Refusals = append(why.Refusals, Refusal{filterNames[f], of.nodes, missText(f, &t.nodes[of.near], r)})
		}
	}
	return why
}

type verdict struct {
	filter int
	by     int64
}

type tally struct {
	nodes int
	by    int64
	near  int
}

// explainer is a count of refusals. What rules on attributes say is asked once
// a class.
type explainer struct {
	t       *Table
	r       *Request
	rules   []verdict
	tallies [filterCount]tally
}

func (e *explainer) count(i int32) {
	f, by := e.refuse(i)
	if f < 0 {
		return
	}
	of := &e.tallies[f]
	if of.nodes == 0 || by < of.by {
		of.by, of.near = by, int(i)
	}
	of.nodes++
}

// refuse is as the function of that name, which it asks where a class does not
// say it all.
func (e *explainer) refuse(i int32) (filter int, by int64) {
	t, w := e.t, e.r.Workload
	n := &t.nodes[i]
	rule := e.rules[t.class[i]]
	switch {
	case e.r.Only != "" || n.Closed != "" || len(e.r.Except) > 0 || len(w.Ports) > 0:
		return refuse(n, e.r)
	case rule.filter >= 0:
		return rule.filter, rule.by
	}
	return short(w, t.cpu[i], t.mem[i])
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
	return "none of " + strconv.Itoa(w.Nodes) + " nodes can take it: " + strings.Join(parts, "; ")
}
