package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Runbook draws where a workload's ordered update stands: its turns, and the
// steps under way with the end of what they wrote. Nothing where there is none.
func Runbook(w io.Writer, x *status.Workload, l Look) {
	b := x.Runbook
	if b == nil {
		return
	}
	fmt.Fprintf(w, "\n%s  %s\n", l.Paint.Text(show.Strong, show.Clean(x.Name)), show.Clean(b.Text))
	for _, t := range b.Turns {
		fmt.Fprintf(w, "  %s  %s\n", show.Clean(t.Slot), t.At)
	}
	for i := range b.Steps {
		s := &b.Steps[i]
		text := s.List + " " + s.Sentence()
		fmt.Fprintf(w, "  %s  %s\n", l.Paint.Text(stepColour(s.State), show.Clean(text)), l.Paint.Text(show.Quiet, "("+show.Since(l.Now, s.Since)+")"))
		for _, line := range strings.Split(strings.TrimSpace(s.Output), "\n") {
			if line != "" {
				fmt.Fprintf(w, "    | %s\n", show.Clean(line))
			}
		}
	}
}

func stepColour(state string) show.Colour {
	switch state {
	case "passed":
		return show.Good
	case "failed", "unknown":
		return show.Bad
	}
	return show.Plain
}
