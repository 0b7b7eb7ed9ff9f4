package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

// sign is how a kind of change looks.
type sign struct {
	mark, verb string
	colour     show.Colour
}

var signs = map[string]sign{
	"create":   {"+", "create", show.Good},
	"update":   {"~", "update", show.Warn},
	"scale":    {"~", "scale", show.Warn},
	"settings": {"~", "change without a restart", show.Warn},
	"remove":   {"-", "remove", show.Bad},
}

func signOf(action string) sign {
	if s, ok := signs[action]; ok {
		return s
	}
	return sign{"~", action, show.Warn}
}

// Preview draws what a tree would change, and ends with a line that sums up and
// one that says what it holds for.
func Preview(w io.Writer, p *status.Preview, l Look) {
	if len(p.Cluster) > 0 {
		fmt.Fprintf(w, "%s %s  change\n", l.Paint.Text(show.Warn, "~"), l.Paint.Text(show.Strong, "cluster"))
		fields(w, p.Cluster, l)
		fmt.Fprintln(w)
	}
	for i := range p.Changes {
		change(w, &p.Changes[i], l)
		fmt.Fprintln(w)
	}
	for _, e := range p.Evictions {
		fmt.Fprintf(w, "%s %s ends on %s %s\n\n", l.Paint.Text(show.Warn, "!"), show.Clean(e.Slot), show.Clean(e.Node), show.Clean(e.Why))
	}
	unplaced(w, p.Unplaced, l)
	for _, text := range p.Warnings {
		if !told(p, text) {
			fmt.Fprintf(w, "%s %s\n\n", l.Paint.Text(show.Warn, "!"), show.Clean(text))
		}
	}
	if p.Held != "" {
		fmt.Fprintf(w, "%s would be Held: %s\n\n", l.Paint.Text(show.Warn, "!"), show.Clean(p.Held))
	}
	if p.Pinned && len(p.Changes)+len(p.Cluster) > 0 {
		fmt.Fprintf(w, "plans are pinned here: a commit is Held unless its plan was approved, in its pull request or by bayplan plan --pin\n\n")
	}
	previewUse(w, p, l)
	fmt.Fprintln(w, l.Paint.Text(show.Strong, PreviewSummary(p)))
	fmt.Fprintln(w, l.Paint.Text(show.Quiet, previewScope(p)))
}

// Diff draws what differs between two texts, and ends with one line that sums up.
func Diff(w io.Writer, d *status.DiffOf, l Look) {
	if len(d.Cluster) > 0 {
		fmt.Fprintf(w, "%s %s  change\n", l.Paint.Text(show.Warn, "~"), l.Paint.Text(show.Strong, "cluster"))
		fields(w, d.Cluster, l)
		fmt.Fprintln(w)
	}
	for i := range d.Changes {
		change(w, &d.Changes[i], l)
		fmt.Fprintln(w)
	}
	text := fmt.Sprintf("%s..%s: no changes.", short(d.Base), short(d.Head))
	if len(d.Changes)+len(d.Cluster) > 0 {
		text = fmt.Sprintf("%s..%s: %s.", short(d.Base), short(d.Head), counts(d.Changes))
	}
	fmt.Fprintln(w, l.Paint.Text(show.Strong, text))
}

// previewScope is what the plan is bound to.
func previewScope(p *status.Preview) string {
	text := "against the live cluster"
	if p.Mode == status.OnBase {
		text = "head against base, as if the base were carried out"
	}
	if p.Commit != "" {
		text = "commit " + short(p.Commit) + " " + text
	}
	return text + "; state " + p.State
}

// previewUse are the pools and what would be pulled.
func previewUse(w io.Writer, p *status.Preview, l Look) {
	if len(p.Pools) > 0 {
		t := show.NewColumns(l.Paint, "USE OF", "BEFORE", "PEAK", "AFTER", "BOUND")
		for i := range p.Pools {
			t.Row(poolRow(&p.Pools[i])...)
		}
		t.Print(w)
		fmt.Fprintln(w)
	}
	for _, x := range p.Pulls {
		fmt.Fprintf(w, "pull %s on %s from %s\n", show.Clean(x.What), show.Clean(some(x.Nodes)), show.Clean(strings.Join(x.From, ", then ")))
	}
	if len(p.Pulls) > 0 {
		fmt.Fprintln(w)
	}
}

func poolRow(p *status.PreviewPool) []any {
	name, of := "pool "+p.Name, bound(p.Limit)
	if p.Name == "" {
		name, of = "cluster", bound(p.Whole)
	}
	return []any{name, amount(p.Before), amount(p.Peak), amount(p.After), of}
}

// some is a list of names of which a few are told.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// told is whether a warning stands beside a workload already.
func told(p *status.Preview, text string) bool {
	return slices.ContainsFunc(p.Changes, func(c status.PreviewChange) bool { return slices.Contains(c.Warnings, text) })
}

func change(w io.Writer, c *status.PreviewChange, l Look) {
	s := signOf(c.Action)
	head := fmt.Sprintf("%s %s  %s", l.Paint.Text(s.colour, s.mark), l.Paint.Text(show.Strong, show.Clean(c.Workload)), s.verb)
	if c.Strategy != "" {
		head += " (" + show.Clean(c.Strategy) + ")"
	}
	fmt.Fprintln(w, head)
	fields(w, c.Fields, l)
	for _, text := range c.Warnings {
		fmt.Fprintf(w, "    %s %s\n", l.Paint.Text(show.Warn, "!"), show.Clean(text))
	}
	places(w, c.Slots, l)
}

// fields are "path: old → new"; all of a new workload's would say little, so
// there only values are shown.
func fields(w io.Writer, all []status.FieldChange, l Look) {
	width := 0
	for _, f := range all {
		width = max(width, len(f.Path))
	}
	for _, f := range all {
		text := fmt.Sprintf("%-*s  ", width, show.Clean(f.Path))
		switch {
		case f.From == "":
			text += l.Paint.Text(show.Good, "+ "+show.Clean(f.To))
		case f.To == "":
			text += l.Paint.Text(show.Bad, "- "+show.Clean(f.From))
		default:
			text += show.Clean(f.From) + " → " + l.Paint.Text(show.Warn, show.Clean(f.To))
		}
		if f.At != "" {
			text += l.Paint.Text(show.Quiet, "  "+show.Clean(f.At))
		}
		fmt.Fprintf(w, "    %s\n", text)
	}
}

func places(w io.Writer, all []status.PreviewSlot, l Look) {
	for _, s := range all {
		mark, colour, where := "", show.Plain, ""
		switch {
		case s.From == "":
			mark, colour, where = "+", show.Good, s.To
		case s.To == "":
			mark, colour, where = "-", show.Bad, s.From
		case s.From == s.To && s.Effect == "restart":
			mark, colour, where = "~", show.Warn, s.To+", restarted"
		case s.From == s.To:
			mark, where = "=", s.To
		default:
			mark, colour, where = "~", show.Warn, s.From+" → "+s.To
		}
		line := fmt.Sprintf("    %s %s on %s", l.Paint.Text(colour, mark), show.Clean(s.Slot), show.Clean(where))
		if len(s.Ports) > 0 && s.To != "" {
			line += "  " + pairs(s.Ports, itoa)
		}
		if l.Wide && s.Score != 0 {
			line += fmt.Sprintf("  score %d", s.Score)
		}
		fmt.Fprintln(w, line)
	}
}

// PreviewSummary is one line: what would be made, changed and removed.
func PreviewSummary(p *status.Preview) string {
	against := "an empty cluster"
	if p.Against != "" {
		against = short(p.Against)
	}
	if len(p.Changes) == 0 && len(p.Unplaced) == 0 && len(p.Cluster) == 0 {
		return "No changes against " + against + "."
	}
	text := "Plan against " + against + ": " + counts(p.Changes)
	if u := len(p.Unplaced); u > 0 {
		text += "; " + count(u, "slot") + " without a place"
	}
	if e := effects(p.Changes); e != "" {
		text += "; it causes " + e
	}
	return text + "."
}

// counts are how many workloads are made, changed and removed.
func counts(all []status.PreviewChange) string {
	n := map[string]int{}
	for _, c := range all {
		n[signOf(c.Action).mark]++
	}
	return itoa(n["+"]) + " to create, " + itoa(n["~"]) + " to update, " + itoa(n["-"]) + " to remove"
}

// effects are how many containers begin, restart, move and stop; "" is none.
func effects(all []status.PreviewChange) string {
	n := map[string]int{}
	for i := range all {
		for _, s := range all[i].Slots {
			n[s.Effect]++
		}
	}
	var parts []string
	for _, e := range []string{"new", "restart", "move", "stop"} {
		switch {
		case n[e] == 0:
		case e == "new":
			parts = append(parts, itoa(n[e])+" new")
		default:
			parts = append(parts, count(n[e], e))
		}
	}
	return strings.Join(parts, ", ")
}
