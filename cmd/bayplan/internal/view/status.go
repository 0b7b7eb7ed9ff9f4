package view

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Status draws the commit, the workloads, the nodes and what is wrong.
func Status(w io.Writer, s *status.Status, l Look) {
	revisions(w, s, l)
	fmt.Fprintln(w)
	workloads(w, s, l)
	if l.Wide {
		slots(w, s.Workloads, l)
		for i := range s.Workloads {
			Runbook(w, &s.Workloads[i], l)
		}
		fmt.Fprintln(w)
		Nodes(w, s.Nodes, l)
		history(w, s, l)
	} else {
		fmt.Fprintf(w, "\n%s\n", nodeSummary(s.Nodes, l))
	}
	Problems(w, s.Problems, l)
}

// Revision draws one commit and what became of it.
func Revision(w io.Writer, r *status.Revision, l Look) {
	if r.Commit == "" {
		fmt.Fprintln(w, "no commit yet: push one to the branch that the server follows")
		return
	}
	fmt.Fprintf(w, "%s  %s  %s  %s\n", l.Paint.Text(show.Strong, short(r.Commit)), l.Paint.Text(outcomeColour(r.Outcome), string(r.Outcome)),
		show.Clean(r.Subject), l.Paint.Text(show.Quiet, "("+show.Clean(r.Author)+", "+show.Since(l.Now, r.Time)+" ago)"))
	if r.Reason != "" {
		fmt.Fprintf(w, "  %s\n", show.Clean(r.Reason))
	}
	for i := range r.Causes {
		cause(w, &r.Causes[i], l)
	}
	for _, x := range r.Removals {
		fmt.Fprintf(w, "  %s\n", l.Paint.Text(show.Bad, "- "+show.Clean(x)))
	}
	if r.Outcome == reconciler.Held {
		fmt.Fprintf(w, "  next: bayplan approve %s\n", short(r.Commit))
	}
	if len(r.Phases) > 0 && (l.Wide || r.Outcome.Ended()) {
		fmt.Fprintf(w, "  %s\n", l.Paint.Text(show.Quiet, phases(r.Phases)))
	}
}

// cause draws a slot that failed, with what it wrote last.
func cause(w io.Writer, c *reconciler.Cause, l Look) {
	fmt.Fprintf(w, "  %s\n", show.Clean(c.Text))
	if c.Failure != nil {
		lastLines(w, c.Failure.Log, l)
	}
}

// lastLines draws the end of a log below what it is about.
func lastLines(w io.Writer, log string, l Look) {
	if log == "" {
		return
	}
	for line := range strings.SplitSeq(log, "\n") {
		fmt.Fprintf(w, "    %s\n", l.Paint.Text(show.Quiet, "| "+show.Clean(line)))
	}
}

// phases is "detect 3ms · evaluate 20ms".
func phases(all []reconciler.PhaseTime) string {
	parts := make([]string, len(all))
	for i, p := range all {
		parts[i] = p.Name + " " + show.Took(p.Took.D())
	}
	return strings.Join(parts, " · ")
}

func workloads(w io.Writer, s *status.Status, l Look) {
	all := s.Workloads
	if len(all) == 0 {
		fmt.Fprintln(w, "no workloads")
		return
	}
	heading := []string{"WORKLOAD", "KIND", "DESIRED", "RUNNING", "HEALTHY", "UPDATED", "STATE", "REASON"}
	if l.Wide {
		heading = append(heading[:7:7], "DIGEST", "IMAGE", "REASON")
	}
	t := newByRepo(s, l, heading)
	for i := range all {
		x := &all[i]
		row := []any{x.Name, x.Kind, x.Desired, part(x.Running, x), served(x.Healthy, x), served(x.Updated, x), show.Cell{Text: x.State, Colour: stateColour(x.State)}}
		if l.Wide {
			row = append(row, dash(x.Digest.Short()), x.Image)
		}
		t.row(x.Repo, append(row, x.Reason))
	}
	t.Print(w)
}

// part colours a count that is below what is desired: "2", or "2+1?" where one
// more may be so.
func part(n int, of *status.Workload) show.Cell {
	c := show.Cell{Text: itoa(n)}
	if schema.Kind(of.Kind).Runs() {
		return c // as many at once as its parallelism
	}
	if of.Unknown > 0 {
		c.Text += "+" + itoa(of.Unknown) + "?"
	}
	if n < of.Desired {
		c.Colour = show.Warn
	}
	return c
}

// served is a part of what serves; what runs to completion serves nobody.
func served(n int, of *status.Workload) show.Cell {
	if schema.Kind(of.Kind).Runs() {
		return show.Cell{Text: "-"}
	}
	return part(n, of)
}

// slots is a table after an empty line; nothing where there are none.
func slots(w io.Writer, all []status.Workload, l Look) {
	if !slices.ContainsFunc(all, func(x status.Workload) bool { return len(x.Slots) > 0 }) {
		return
	}
	fmt.Fprintln(w)
	t := show.NewColumns(l.Paint, "SLOT", "NODE", "PHASE", "HEALTH", "SINCE", "RESTARTS", "DIGEST", "ADDRESS", "PORTS", "CONTAINER", "REASON")
	for i := range all {
		for _, s := range all[i].Slots {
			t.Row(s.Slot, s.Node, phase(&s), show.Cell{Text: s.Health.String(), Colour: healthColour(s.Health)}, show.Since(l.Now, s.Since), s.Restarts,
				s.Digest.Short(), dash(s.Address), pairs(s.Ports, itoa), dash(container(s.Container)), slotReason(&s))
		}
	}
	t.Print(w)
}

func phase(s *status.Slot) show.Cell {
	switch {
	case s.Unknown:
		return show.Cell{Text: "unknown", Colour: show.Warn}
	case s.Stopping && s.Phase < nodes.Stopping:
		return show.Cell{Text: s.Phase.String() + ", to stop", Colour: show.Warn}
	case s.Phase == nodes.Running:
		return show.Cell{Text: s.Phase.String(), Colour: show.Good}
	}
	return show.Cell{Text: s.Phase.String(), Colour: show.Warn}
}

func slotReason(s *status.Slot) string {
	well := s.Phase == nodes.Running && (s.Health == nodes.Healthy || s.Health == nodes.NoCheck)
	if s.Failure != nil && !well {
		return s.Failure.Text
	}
	return s.Reason
}

// container is the part of an engine's identifier that people type.
func container(id string) string { return id[:min(12, len(id))] }

func history(w io.Writer, s *status.Status, l Look) {
	all := s.History
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newByRepo(s, l, []string{"BEFORE", "OUTCOME", "AGE", "AUTHOR", "SUBJECT", "REASON"})
	for _, r := range all[:min(10, len(all))] {
		t.row(r.Repo, []any{short(r.Commit), show.Cell{Text: string(r.Outcome), Colour: outcomeColour(r.Outcome)}, show.Since(l.Now, r.Time), r.Author, r.Subject, r.Reason})
	}
	t.Print(w)
}

// Problems draws what is wrong, each with the next step.
func Problems(w io.Writer, all []status.Problem, l Look) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", l.Paint.Text(show.Bad, count(len(all), "problem")))
	for _, p := range all {
		text := show.Clean(p.Text)
		if p.Subject != "" && !strings.Contains(text, p.Subject) && !strings.Contains(text, "commit "+short(p.Subject)) {
			text = show.Clean(p.Subject) + ": " + text
		}
		fmt.Fprintf(w, "  %s  %s\n", l.Paint.Text(show.Bad, p.Code), text)
		if p.Next != "" {
			fmt.Fprintf(w, "    next: %s\n", show.Clean(p.Next))
		}
	}
}
