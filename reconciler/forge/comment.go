package forge

import (
	"fmt"
	"strings"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// MaxComment is the most letters that a comment has: less than any forge's limit.
const MaxComment = 60_000

// Marker is how a cluster's comment begins: nobody sees it, and the comment is
// found again by it.
func Marker(cluster string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, cluster)
	return "<!-- bayplan:" + strings.ReplaceAll(plain, "--", "-_") + ":plan -->"
}

// Comment is a plan for the people of a pull request. All that others wrote stands
// in folded code, where it can neither call anybody nor look like ours.
func Comment(cluster string, p *status.Preview) string {
	c := &comment{}
	c.linef("%s\n### Plan for cluster %s\n", Marker(cluster), inline(cluster))
	c.linef("%s\n", Summary(p))
	if p.Held != "" {
		c.linef("**Would be Held** once it is merged: %s\n", inline(p.Held))
	}
	if n := len(p.Unplaced); n > 0 {
		c.linef("**%s without a place.**\n", plural(n, "slot"))
		c.fold("What finds no place, and how nearly", unplaced(p))
	}
	if p.Cluster != nil {
		c.fold("Pools and registries", fields(p.Cluster))
	}
	for i := range p.Changes {
		x := &p.Changes[i]
		title, lines := fmt.Sprintf("%s: %s%s", inline(x.Workload), actionOf(x), causes(x)), change(x)
		if len(lines) == 0 {
			c.linef("- %s\n", title)
		}
		c.fold(title, lines)
	}
	c.fold(plural(len(p.Evictions), "slot")+" would be evicted", evictions(p))
	c.pools(p.Pools)
	c.fold(plural(len(p.Pulls), "image or archive")+" to be pulled", pulls(p))
	c.fold("Warnings", p.Warnings)
	return c.end(p)
}

// Refused is the comment for a text that cannot be planned; errs are its errors.
func Refused(cluster, commit string, errs []string) string {
	c := &comment{}
	c.linef("%s\n### Plan for cluster %s\n", Marker(cluster), inline(cluster))
	c.linef("Commit %s does not validate: %s. `bayplan validate` tells the same.\n", inline(short(commit)), plural(len(errs), "error"))
	c.fold("The errors", errs)
	return c.text.String()
}

// Summary is a plan in one line.
func Summary(p *status.Preview) string {
	if len(p.Changes)+len(p.Unplaced)+len(p.Cluster) == 0 {
		return "No changes."
	}
	n, effects := map[string]int{}, map[string]int{}
	for i := range p.Changes {
		n[p.Changes[i].Action]++
		for _, s := range p.Changes[i].Slots {
			effects[s.Effect]++
		}
	}
	other := len(p.Changes) - n["create"] - n["remove"]
	text := fmt.Sprintf("%d to create, %d to update, %d to remove", n["create"], other, n["remove"])
	var all []string
	for _, e := range []string{"new", "restart", "move", "stop"} {
		if effects[e] > 0 {
			all = append(all, fmt.Sprintf("%d %s", effects[e], e))
		}
	}
	if len(all) > 0 {
		text += "; containers: " + strings.Join(all, ", ")
	}
	if u := len(p.Unplaced); u > 0 {
		text += "; " + plural(u, "slot") + " without a place"
	}
	return text + "."
}

// comment grows up to a bound, and never ends inside a fold.
type comment struct {
	text strings.Builder
	left int // how many folds found no room
}

// room is what a fold may fill: the end needs some.
const room = MaxComment - 1000

func (c *comment) linef(format string, a ...any) {
	line := fmt.Sprintf(format, a...) + "\n"
	if c.text.Len()+len(line) > room {
		c.left++
		return
	}
	c.text.WriteString(line)
}

// fold writes lines as code under a title, those for which there is room.
func (c *comment) fold(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fence := fenceFor(lines)
	head := "<details><summary>" + title + "</summary>\n\n" + fence + "diff\n"
	tail := fence + "\n</details>\n\n"
	const more = "... and more\n"
	free := room - c.text.Len() - len(head) - len(tail) - len(more)
	if free < 200 {
		c.left++
		return
	}
	c.text.WriteString(head)
	for _, line := range lines {
		line = plainLine(line) + "\n"
		if free -= len(line); free < 0 {
			c.text.WriteString(more)
			c.left++
			break
		}
		c.text.WriteString(line)
	}
	c.text.WriteString(tail)
}

func (c *comment) pools(all []status.PreviewPool) {
	if len(all) == 0 {
		return
	}
	c.linef("| use of | before | at the peak | after | bound |\n|---|---|---|---|---|")
	for i := range all {
		p := &all[i]
		name, bound := "pool "+inline(p.Name), p.Limit
		if p.Name == "" {
			name, bound = "the cluster", p.Whole
		}
		c.linef("| %s | %s | %s | %s | %s |", name, amount(&p.Before), amount(&p.Peak), amount(&p.After), amount(bound))
	}
	c.linef("")
}

func (c *comment) end(p *status.Preview) string {
	if c.left > 0 {
		fmt.Fprintf(&c.text, "\nThere is more than fits here: `bayplan plan %s..%s`\n", inline(short(p.Against)), inline(short(p.Commit)))
	}
	mode := "compared with the live cluster"
	if p.Mode == status.OnBase {
		mode = "head against base, as if base " + inline(short(p.Against)) + " were carried out"
	}
	fmt.Fprintf(&c.text, "\n<sub>commit %s, %s; state %s</sub>\n", inline(short(p.Commit)), mode, inline(p.State))
	return c.text.String()
}

// fenceFor is longer than any run of backquotes in the lines.
func fenceFor(lines []string) string {
	longest := 2
	for _, line := range lines {
		run := 0
		for _, r := range line {
			if run++; r != '`' {
				run = 0
			}
			longest = max(longest, run)
		}
	}
	return strings.Repeat("`", longest+1)
}

// plainLine is one line without what could draw or end it.
func plainLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ', r == 0x7f, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// inline is a text outside of code: nothing in it is markup, nor calls anybody.
func inline(s string) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(plainLine(s))
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]()#!|~@{}+", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		if r == '@' || r == '#' {
			b.WriteString("\u2060") // a joiner without width: the word is no name any more
		}
	}
	return b.String()
}

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
