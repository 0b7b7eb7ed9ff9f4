package main

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/spf13/cobra"
)

// Whatever the pieces, the lines of each slot come out whole and in order.
func TestMerged_LinesOfEachSlotStayWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := []string{"a/b.0", "a/b.1", "a/b.10"}
		var out strings.Builder
		m := newMerged(&out, false, slots[:rapid.IntRange(2, 3).Draw(t, "known")])
		sent := map[string]string{}
		for range rapid.IntRange(0, 30).Draw(t, "pieces") {
			slot := rapid.SampledFrom(slots).Draw(t, "slot")
			data := rapid.StringOfN(rapid.SampledFrom([]rune("xy\n")), 0, 8, -1).Draw(t, "data")
			sent[slot] += data
			if err := m.print(slot, []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.end(); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for line := range strings.Lines(out.String()) {
			slot, text, ok := strings.Cut(line, " | ")
			if !ok {
				t.Fatalf("line %q has no slot", line)
			}
			got[strings.TrimSpace(slot)] += text
		}
		for slot, want := range sent {
			if want != "" && !strings.HasSuffix(want, "\n") {
				want += "\n"
			}
			if got[slot] != want {
				t.Fatalf("%s: got %q, want %q", slot, got[slot], want)
			}
		}
	})
}

func TestReplay_SecondReadingPrintsOnlyWhatIsNew(t *testing.T) {
	at := func(s int, text string) *status.Event {
		return &status.Event{Time: birth.Add(time.Duration(s) * time.Second), Text: text}
	}
	var r replay
	read := func(first bool, all ...*status.Event) (fresh string) {
		if r.restart() != first {
			t.Fatalf("restart: want first %v", first)
		}
		for _, e := range all {
			if r.fresh(e, []byte(e.Text)) {
				fresh += e.Text
			}
		}
		return fresh
	}
	// In one reading nothing is passed over: clocks of nodes differ a little.
	if got := read(true, at(1, "a"), at(3, "b"), at(2, "c"), at(3, "d"), at(3, "d")); got != "abcdd" {
		t.Fatalf("first reading %q", got)
	}
	if got := read(false, at(1, "a"), at(3, "b"), at(2, "c"), at(3, "d"), at(3, "e"), at(4, "f"), at(4, "f")); got != "eff" {
		t.Fatalf("second reading %q", got)
	}
	if got := read(false); got != "" {
		t.Fatalf("third reading %q", got)
	}
}

// Every verb explains itself and gives an example.
func TestVerbs_HaveHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" || c.Hidden { // who types them?
			return
		}
		if c.Short == "" || c.Long == "" || c.Example == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: want a Short without a full stop, a Long and an Example", c.CommandPath())
		}
		if strings.Contains(c.Long+c.Example, `\n`) {
			t.Errorf("%s: its help prints a line's end as two characters", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}
