package reconciler_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// rounds lets nodes carry out what they are told and 10 s pass, n times over, and
// returns what was decided meanwhile.
func (w *world) rounds(t *testing.T, n int) string {
	var b strings.Builder
	decided := func() {
		for line := range strings.Lines(w.pass()) {
			if !strings.HasPrefix(line, "wake in ") {
				b.WriteString(line)
			}
		}
		if w.restless {
			w.restart(t)
		}
	}
	for range n {
		w.carryOut("", "")
		decided()
		w.now = w.now.Add(10 * time.Second)
		w.hear()
		decided()
	}
	return b.String()
}

// versions are how often a node's orders have changed, and spans how long things
// took: both hang on how many passes there were.
var (
	versions = regexp.MustCompile(` at \d+\.\d+:`)
	spans    = regexp.MustCompile(` after [\dms.]+`)
)

// Every way of updating comes to the same end with the server restarted between
// every two steps: whether an update goes well, fails half way, is superseded half
// way or is taken back. What the transcripts tell on the way hangs on how many
// passes there are; where all is in the end, and what became of each commit and
// rollout, does not (I16, I21, I33).
func TestReconcile_WaysWithRestartsBetween(t *testing.T) {
	paths, err := filepath.Glob("testdata/way_*.txt")
	if err != nil || len(paths) < 8 {
		t.Fatal("no transcripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			w := newWorld()
			w.restless = true
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				w.restart(t)
				got := w.do(t, d)
				w.restart(t)
				plain := func(s string) string { return spans.ReplaceAllString(versions.ReplaceAllString(s, " at:"), "") }
				switch d.Cmd {
				case "state", "commits", "history":
					if plain(got) == plain(d.Expected) {
						return d.Expected
					}
					return got
				}
				return d.Expected
			})
		})
	}
}

// Each transcript of a way shows all four ends of an update.
func TestReconcile_WaysShowEachEnd(t *testing.T) {
	paths, _ := filepath.Glob("testdata/way_*.txt")
	for _, path := range paths {
		ends := map[string]bool{}
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.do(t, d)
			return d.Expected
		})
		for i := range w.facts.Commits {
			ends[string(w.facts.Commits[i].Outcome)] = true
		}
		if len(ends) < 3 || !ends["Applied"] || !ends["RolledBack"] || !ends["Superseded"] {
			t.Error(path, fmt.Sprint(ends))
		}
	}
}
