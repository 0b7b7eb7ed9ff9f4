package forge

import (
	"fmt"
	"strings"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

func actionOf(c *status.PreviewChange) string {
	if c.Action == "" {
		return "moves"
	}
	return c.Action
}

// causes sums up what becomes of a workload's containers.
func causes(c *status.PreviewChange) string {
	n := map[string]int{}
	for _, s := range c.Slots {
		n[s.Effect]++
	}
	text := ""
	for _, e := range []string{"new", "restart", "move", "stop"} {
		if n[e] > 0 {
			text += fmt.Sprintf(", %d %s", n[e], e)
		}
	}
	return text
}

func change(c *status.PreviewChange) (lines []string) {
	if c.Strategy != "" {
		lines = append(lines, "  "+c.Strategy)
	}
	lines = append(lines, fields(c.Fields)...)
	for _, w := range c.Warnings {
		lines = append(lines, "! "+w)
	}
	for _, s := range c.Slots {
		lines = append(lines, slotLine(s))
	}
	return lines
}

func fields(all []status.FieldChange) (lines []string) {
	for _, f := range all {
		at := ""
		if f.At != "" {
			at = "   " + f.At
		}
		if f.From != "" {
			lines = append(lines, "- "+f.Path+": "+f.From)
		}
		if f.To != "" {
			lines = append(lines, "+ "+f.Path+": "+f.To+at)
		}
	}
	return lines
}

func slotLine(s status.PreviewSlot) string {
	switch s.Effect {
	case "new":
		return "+ " + s.Slot + " on " + s.To
	case "stop":
		return "- " + s.Slot + " on " + s.From
	case "move":
		return "! " + s.Slot + " moves from " + s.From + " to " + s.To
	case "restart":
		return "! " + s.Slot + " is restarted on " + s.To
	}
	return "  " + s.Slot + " stays on " + s.To
}

func unplaced(p *status.Preview) (lines []string) {
	for _, u := range p.Unplaced {
		lines = append(lines, "- "+u.Slot+": "+u.Text)
		for _, why := range u.Why {
			lines = append(lines, "    "+why)
		}
	}
	return lines
}

func evictions(p *status.Preview) (lines []string) {
	for _, e := range p.Evictions {
		lines = append(lines, "- "+e.Slot+" on "+e.Node+" "+e.Why)
	}
	return lines
}

func pulls(p *status.Preview) (lines []string) {
	for _, x := range p.Pulls {
		lines = append(lines, "  "+x.What+" on "+strings.Join(x.Nodes, ", ")+" from "+strings.Join(x.From, ", then "))
	}
	return lines
}

func amount(q *schema.Quantity) string {
	if q == nil || *q == (schema.Quantity{}) {
		return "-"
	}
	return q.CPU.String() + " cpu, " + q.Memory.Human()
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if before, after, found := strings.Cut(one, " or "); found {
		return fmt.Sprintf("%d %ss or %ss", n, before, after)
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func short(commit string) string { return commit[:min(10, len(commit))] }
