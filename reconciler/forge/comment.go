package forge

import (
	"fmt"
	"strings"

	"github.com/bayplan/bayplan/reconciler/status"
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
	if p.Pinned {
		c.linef("Plans are pinned here: who approves this pull request from now on approves this plan. Once it is merged, the commit is Held if anything but the place of a slot would be otherwise.\n")
	}
	if n := len(p.Unplaced); n > 0 {
		c.linef("**%s without a place.**\n", plural(n, "slot"))
		c.fold("What finds no place, and how nearly", unplaced(p))
	}
	if p.Cluster != nil {
		c.fold("The operators' part", fields(p.Cluster))
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
