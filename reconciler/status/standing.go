package status

import (
	"cmp"
	"strings"
)

// Standing are the problems that no event of another kind tells of, as the
// events that a Herald makes news of: what the shells met, what is wrong with
// the newest text, what waits, and silent nodes.
func Standing(in Input) (all []Event) {
	for i := range in.Troubles {
		all = append(all, standing(&in.Troubles[i], Event{Subject: in.Troubles[i].Subject}))
	}
	for _, p := range commitTextProblems(&in) {
		all = append(all, standing(&p, Event{Commit: p.Subject}))
	}
	for _, p := range append(teamProblems(&in), repoProblems(&in)...) {
		all = append(all, standing(&p, Event{Subject: p.Subject, Commit: texts(&in)[0].Newest.Revision.Commit}))
	}
	for i := range in.Blocked {
		x := &in.Blocked[i]
		p := blockedProblem(x)
		about := Event{Subject: cmp.Or(x.Workload, x.Node), Workload: x.Workload, Node: x.Node}
		if x.Slot.Workload != "" {
			about.Slot = p.Subject
		}
		all = append(all, standing(&p, about))
	}
	return append(all, silentNodes(&in)...)
}

func standing(p *Problem, e Event) Event {
	e.Kind, e.Code, e.Text = "problem", p.Code, cut(p.Text, MaxText)
	if e.Subject != "" && !strings.Contains(e.Text, e.Subject) {
		e.Text = e.Subject + ": " + e.Text
	}
	return e
}

// silentNodes are those that do not answer, each one matter from its first
// silence until it is heard again.
func silentNodes(in *Input) (all []Event) {
	for i := range in.Facts.Nodes {
		name := in.Facts.Nodes[i].Name
		state, reason := nodeState(in.Observed.Node(name), in)
		if state == "unreachable" || state == "lost" {
			all = append(all, Event{Kind: "problem", Code: "node-silent", Subject: name, Node: name, Text: name + " is " + state + ": " + reason})
		}
	}
	return all
}
