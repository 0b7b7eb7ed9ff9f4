package sim

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// tail is how much of what happened before a violation is shown.
const tail = 60

// Show writes a violation for people: what was violated where, the faults that are
// enough for it, what happened last, and how to see it again.
func Show(to io.Writer, r Result, commit string) {
	v := r.Violation
	fmt.Fprintf(to, "seed %d at commit %s violates %s after %s\n  %s\n", r.Scenario.Seed, commit, v.Invariant, v.At.Round(time.Millisecond), v.Text)
	fmt.Fprintf(to, "%d nodes, %d workloads, and these faults are enough:\n", r.Scenario.Nodes, r.Scenario.Workloads)
	for _, f := range r.Scenario.Faults {
		fmt.Fprintf(to, "  %s\n", f)
	}
	again := Run(r.Scenario, true)
	fmt.Fprintln(to, "what happened last:")
	for _, line := range again.Trace[max(0, len(again.Trace)-tail):] {
		fmt.Fprintf(to, "  %s\n", strings.TrimRight(line, " "))
	}
	b, err := json.Marshal(r.Scenario)
	if err != nil {
		panic("sim: a scenario is always JSON: " + err.Error())
	}
	fmt.Fprintf(to, "to see it again: make sim SEEDS=%d:+1\nor this alone: go run ./testenv/sim/play -scenario '%s'\n", r.Scenario.Seed, b)
}

// Regression is a history that once showed a fault of the product's.
type Regression struct {
	// Commit is the one that it was found at, Found what was wrong.
	Commit, Found string
	Scenario      Scenario
}

//go:embed regressions.jsonl
var kept embed.FS

// Regressions are all that are kept, a line of JSON each: a seed alone would be
// another history once a kind of fault is added.
func Regressions() (all []Regression, err error) {
	b, err := kept.ReadFile("regressions.jsonl")
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(b)); d.More(); {
		var r Regression
		if err := d.Decode(&r); err != nil {
			return nil, fmt.Errorf("regressions.jsonl: %w", err)
		}
		all = append(all, r)
	}
	return all, nil
}
