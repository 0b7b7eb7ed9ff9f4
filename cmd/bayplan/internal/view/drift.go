package view

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Drift draws where what runs is not what is asked for.
func Drift(w io.Writer, d *status.Drift, l Look) {
	if len(d.Items) == 0 {
		fmt.Fprintf(w, "no drift: what runs is what commit %s asks for\n", dash(short(d.Commit)))
		return
	}
	t := show.NewColumns(l.Paint, "WHAT", "DRIFT", "DESIRED", "RUNNING", "NODE", "CAUSE", "NEXT")
	for _, x := range d.Items {
		t.Row(cmp.Or(x.Slot, x.Workload, "cluster"), x.Kind, x.Desired, x.Running, dash(x.Node), x.Cause, dash(x.Next))
	}
	t.Print(w)
}

// Blamed is one field of a workload and who set it.
type Blamed struct {
	Field string `json:"field"`
	Value string `json:"value"`
	// At is "file:line"; with Default it is the workload's, whose value no file
	// says.
	At      string    `json:"at,omitempty"`
	Default bool      `json:"default,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	Author  string    `json:"author,omitempty"`
	Time    time.Time `json:"time,omitzero"`
}

// Blame draws a workload's fields; what no file says only where it is wide.
func Blame(w io.Writer, all []Blamed, l Look) {
	t := show.NewColumns(l.Paint, "FIELD", "VALUE", "AT", "COMMIT", "AUTHOR", "AGE")
	for _, b := range all {
		switch {
		case !b.Default:
			t.Row(b.Field, cut(b.Value), dash(b.At), dash(short(b.Commit)), dash(b.Author), show.Since(l.Now, b.Time))
		case l.Wide:
			t.Row(b.Field, cut(b.Value), "default", "-", "-", "-")
		}
	}
	t.Print(w)
}

// cut keeps a long value from filling the screen; -o json has it whole.
func cut(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
