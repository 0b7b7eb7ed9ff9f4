package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

// eventTime is the local time, in the order that sorts.
const eventTime = "2006-01-02 15:04:05"

// Event draws one line. Lines come one by one, so the columns' widths are fixed
// where they can be and the text stands last.
func Event(w io.Writer, e *status.Event, l Look) {
	about := e.Slot
	if about == "" {
		about = e.Workload
	}
	if e.Node != "" {
		if about != "" {
			about += " "
		}
		about += "@" + e.Node
	}
	text := show.Clean(e.Text)
	if actor := show.Clean(e.Actor); actor != "" && !strings.Contains(text, actor) {
		text += " (by " + actor + ")"
	}
	line := fmt.Sprintf("%s  %s  ", l.Paint.Text(show.Quiet, e.Time.Local().Format(eventTime)), l.Paint.Text(eventColour(e.Kind), fmt.Sprintf("%-8s", show.Clean(e.Kind))))
	if l.Wide {
		line += fmt.Sprintf("%-10s  ", dash(short(e.Commit)))
	}
	fmt.Fprintf(w, "%s%-24s  %s\n", line, dash(show.Clean(about)), text)
	lastLines(w, e.Log, l)
}

func eventColour(kind string) show.Colour {
	switch kind {
	case "failure", "problem":
		return show.Bad
	case "commit", "operator":
		return show.Strong
	}
	return show.Plain
}

// Explanation draws the answer, its reasons and what led to it.
func Explanation(w io.Writer, e *status.Explanation, l Look) {
	fmt.Fprintln(w, l.Paint.Text(show.Strong, show.Clean(e.Text)))
	for _, line := range e.Lines {
		fmt.Fprintf(w, "  %s\n", show.Clean(line))
	}
	if e.Next != "" {
		fmt.Fprintf(w, "  next: %s\n", show.Clean(e.Next))
	}
	slots(w, []status.Workload{{Slots: e.Instances}}, l)
	if len(e.Events) > 0 {
		fmt.Fprintln(w)
	}
	for i := range e.Events {
		Event(w, &e.Events[i], l)
	}
}
