package view

import (
	"io"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Nodes draws one line a machine.
func Nodes(w io.Writer, all []status.Node, l Look) {
	heading := []string{"NODE", "STATE", "RUNTIME", "CPU", "MEMORY", "HEARD", "REASON"}
	if l.Wide {
		heading = append(heading[:6:6], "VERSION", "ADDRESS", "ATTRIBUTES", "REASON")
	}
	t := show.NewColumns(l.Paint, heading...)
	for i := range all {
		n := &all[i]
		row := []any{n.Name, show.Cell{Text: n.State, Colour: stateColour(n.State)}, dash(n.Runtime),
			n.Reserved.CPU.String() + "/" + n.Allocatable.CPU.String(), n.Reserved.Memory.Human() + "/" + n.Allocatable.Memory.Human(), show.Since(l.Now, n.Heard)}
		if l.Wide {
			row = append(row, dash(n.Version), dash(n.Address), pairs(n.Attributes, func(s string) string { return s }))
		}
		t.Row(append(row, n.Reason)...)
	}
	t.Print(w)
}

// nodeSummary is "3 nodes: 2 ready, 1 lost (n2)": who is not ready is named.
func nodeSummary(all []status.Node, l Look) string {
	if len(all) == 0 {
		return "no nodes: `bayplan node token` prints the line to type on one"
	}
	states := map[string][]string{}
	for _, n := range all {
		states[n.State] = append(states[n.State], n.Name)
	}
	var parts []string
	for _, state := range []string{"ready", "troubled", "unreachable", "lost", "expected", "cordoned", "draining", "drained"} {
		if names := states[state]; len(names) > 0 {
			text := itoa(len(names)) + " " + state
			if state != "ready" {
				text += " (" + strings.Join(names, ", ") + ")"
			}
			parts = append(parts, l.Paint.Text(stateColour(state), show.Clean(text)))
		}
	}
	return count(len(all), "node") + ": " + strings.Join(parts, ", ")
}
