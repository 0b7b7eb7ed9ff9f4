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

// Preview draws what a tree would change, and ends with one line that sums up.
func Preview(w io.Writer, p *status.Preview, l Look) {
	for i := range p.Changes {
		change(w, &p.Changes[i], l)
		fmt.Fprintln(w)
	}
	for _, e := range p.Evictions {
		fmt.Fprintf(w, "%s %s ends on %s %s\n\n", l.Paint.Text(show.Warn, "!"), show.Clean(e.Slot), show.Clean(e.Node), show.Clean(e.Why))
	}
	for _, u := range p.Unplaced {
		fmt.Fprintf(w, "%s %s finds no place: %s\n", l.Paint.Text(show.Bad, "!"), show.Clean(u.Slot), show.Clean(u.Text))
		for _, why := range u.Why {
			fmt.Fprintf(w, "    %s\n", show.Clean(why))
		}
		fmt.Fprintln(w)
	}
	for _, text := range p.Warnings {
		if !told(p, text) {
			fmt.Fprintf(w, "%s %s\n\n", l.Paint.Text(show.Warn, "!"), show.Clean(text))
		}
	}
	if p.Held != "" {
		fmt.Fprintf(w, "%s would be Held: %s\n\n", l.Paint.Text(show.Warn, "!"), show.Clean(p.Held))
	}
	fmt.Fprintln(w, l.Paint.Text(show.Strong, PreviewSummary(p)))
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
	fields(w, c, l)
	for _, text := range c.Warnings {
		fmt.Fprintf(w, "    %s %s\n", l.Paint.Text(show.Warn, "!"), show.Clean(text))
	}
	places(w, c.Slots, l)
}

// fields are "path: old → new"; all of a new workload's would say little, so
// there only values are shown.
func fields(w io.Writer, c *status.PreviewChange, l Look) {
	width := 0
	for _, f := range c.Fields {
		width = max(width, len(f.Path))
	}
	for _, f := range c.Fields {
		text := fmt.Sprintf("%-*s  ", width, show.Clean(f.Path))
		switch {
		case f.From == "":
			text += l.Paint.Text(show.Good, "+ "+show.Clean(f.To))
		case f.To == "":
			text += l.Paint.Text(show.Bad, "- "+show.Clean(f.From))
		default:
			text += show.Clean(f.From) + " → " + l.Paint.Text(show.Warn, show.Clean(f.To))
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
	if len(p.Changes) == 0 && len(p.Unplaced) == 0 {
		return "No changes against " + against + "."
	}
	n := map[string]int{}
	for _, c := range p.Changes {
		n[signOf(c.Action).mark]++
	}
	parts := []string{itoa(n["+"]) + " to create", itoa(n["~"]) + " to update", itoa(n["-"]) + " to remove"}
	text := "Plan against " + against + ": " + strings.Join(parts, ", ")
	if u := len(p.Unplaced); u > 0 {
		text += "; " + count(u, "slot") + " without a place"
	}
	return text + "."
}
