package view_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/status"
)

func nowhere(slot, why string, events ...status.Event) status.Explanation {
	return status.Explanation{Slot: slot, Text: slot + " is nowhere: waiting", Lines: []string{why}, Next: "add a node", Events: events}
}

// TestExplanations_Alike: slots that are nowhere for the same reasons are told of
// once; what differs in anything that is told is told by itself.
func TestExplanations_Alike(t *testing.T) {
	running := *explanation()
	running.Slot, running.Text = "a/w.3", "a/w.3 is on n2"
	other := nowhere("a/w.4", "full")
	other.Next = "lower the request"
	failed := status.Event{Time: ago(time.Minute), Kind: "failure", Slot: "a/w.9", Text: "exit 1"}
	all := []status.Explanation{nowhere("a/w.0", "full"), nowhere("a/w.1", "full"), nowhere("a/w.2", "full"), running, other, nowhere("a/w.5", "too small"),
		nowhere("a/w.6", "full"), nowhere("a/w.8", "full"), nowhere("a/w.9", "full", failed), nowhere("a/w.10", "full", failed), nowhere("b/w.11", "full", failed)}
	var b bytes.Buffer
	view.Explanations(&b, all, view.Look{Now: now})
	var got []string
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.Contains(line, "nowhere") || strings.Contains(line, " is on ") {
			got = append(got, line)
		}
	}
	want := `a/w.0 is nowhere: waiting; so are a/w.1 to a/w.2
a/w.3 is on n2
a/w.4 is nowhere: waiting
a/w.5 is nowhere: waiting
a/w.6 is nowhere: waiting; so is a/w.8
a/w.9 is nowhere: waiting; so is a/w.10
b/w.11 is nowhere: waiting`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if n := strings.Count(b.String(), "exit 1"); n != 2 {
		t.Errorf("the failure is told %d times:\n%s", n, b.String())
	}
}

// TestPreview_Alike: slots that find no place for the same reasons are told of once.
func TestPreview_Alike(t *testing.T) {
	p := &status.Preview{}
	for _, u := range [][2]string{{"a/w.1", "cpu"}, {"a/w.2", "cpu"}, {"a/w.4", "cpu"}, {"a/w.5", "memory"}, {"a/x.6", "memory"}} {
		p.Unplaced = append(p.Unplaced, status.PreviewUnplaced{Slot: u[0], Text: "none can take it", Why: []string{u[1]}})
	}
	var b bytes.Buffer
	view.Preview(&b, p, view.Look{Now: now})
	want := `! a/w.1, and so 2 others of it up to a/w.4, finds no place: none can take it
    cpu

! a/w.5 finds no place: none can take it
    memory

! a/x.6 finds no place: none can take it
    memory
`
	if !strings.HasPrefix(b.String(), want) {
		t.Errorf("got\n%s", b.String())
	}
}
