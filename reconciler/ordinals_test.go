package reconciler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/bayplan/bayplan/nodes"
)

// volumes is a line for each home and each tombstone.
func (w *world) volumes() string {
	var b strings.Builder
	for _, f := range w.facts.Volumes {
		fmt.Fprintf(&b, "%s on %s", f.Slot, f.Node)
		if f.Bare {
			fmt.Fprint(&b, " bare")
		}
		if len(f.Ports) > 0 {
			fmt.Fprint(&b, " ", f.Ports)
		}
		if f.Up {
			fmt.Fprint(&b, " up")
		}
		if !f.Retired.IsZero() {
			fmt.Fprintf(&b, " retired %s ago", w.now.Sub(f.Retired))
		}
		if f.Retain > 0 {
			fmt.Fprintf(&b, " kept for %s", f.Retain)
		}
		if f.Deleting != nil {
			fmt.Fprintf(&b, " deleted by %s", f.Deleting.Actor)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// peers is what the orders of a slot say of its fellows.
func (w *world) peers(slot string) string {
	var b strings.Builder
	for i := range w.facts.Nodes {
		for _, o := range w.facts.Nodes[i].Assignment.Orders {
			if o.Slot.String() != slot || o.Stop {
				continue
			}
			for _, p := range o.Peers {
				fmt.Fprintf(&b, "%s at %s %v\n", p.Slot, p.Address, p.Ports)
			}
		}
	}
	return b.String()
}

// Every step of these transcripts is the same if the server is started anew
// between every two of them: what it does next stands in the ledger.
func TestStateful_RestartedBetweenSteps(t *testing.T) {
	for _, name := range []string{"stateful", "stateful_home", "stateful_quorum", "stateful_busy", "tombstone"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			datadriven.RunTest(t, "testdata/"+name+".txt", func(t *testing.T, d *datadriven.TestData) string {
				w.restartWhole(t)
				if want, got := stepLines(d.Expected), stepLines(w.do(t, d)); want != got {
					d.Fatalf(t, "want the steps\n%s\ngot\n%s", want, got)
				}
				return d.Expected
			})
		})
	}
}

// restartWhole is another leader, that hears nobody at first and then all that
// are up, as they are.
func (w *world) restartWhole(t *testing.T) {
	heard := w.snap
	w.epoch++
	w.started, w.snap = w.now, nodes.Snapshot{}
	w.facts = throughLedger(t, w.facts)
	if told := stepLines(w.pass()); told != "" {
		t.Errorf("before it has heard anybody it decides\n%s", told)
	}
	w.snap = heard
	w.hear()
}

// stepLines are the lines that tell of one.
func stepLines(output string) string {
	var b strings.Builder
	for line := range strings.Lines(output) {
		if verb, _, _ := strings.Cut(line, " "); verb == "place" || verb == "stop" || verb == "delete" {
			b.WriteString(line)
		}
	}
	return b.String()
}
