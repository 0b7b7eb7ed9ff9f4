package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
)

// A run is a function of its scenario: no map's order, clock or goroutine enters.
func TestRun_SameSeedSameHistory(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		s := Draw(seed)
		a, b := Run(s, true), Run(s, true)
		if a.Sum != b.Sum || !slices.Equal(a.Trace, b.Trace) {
			t.Errorf("seed %d: two histories, of %d and %d lines", seed, len(a.Trace), len(b.Trace))
		}
		if a.Violation != nil {
			t.Errorf("seed %d: %v", seed, a.Violation)
		}
	}
}

// What once went wrong does not again.
func TestRun_Regressions(t *testing.T) {
	all, err := Regressions()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if got := Run(r.Scenario, false); got.Violation != nil {
			t.Errorf("seed %d, once: %s; now: %v", r.Scenario.Seed, r.Found, got.Violation)
		}
	}
}

// A violation is shown by less than all that happened.
func TestShrink_KeepsWhatItNeeds(t *testing.T) {
	s := Draw(3)
	s.Faults = append(s.Faults, Fault{At: s.Length / 2, Kind: "a stop that nobody ordered"})
	slices.SortStableFunc(s.Faults, func(a, b Fault) int { return int(a.At - b.At) })
	faults = append(faults, kind{name: "a stop that nobody ordered", happen: stopSome})
	defer func() { faults = faults[:len(faults)-1] }()
	r := Run(s, false)
	if r.Violation == nil || r.Violation.Invariant != "I4" {
		t.Fatalf("a container that is stopped without an order: %v", r.Violation)
	}
	small := Shrink(r)
	if small.Violation.Invariant != "I4" || len(small.Scenario.Faults) > 3 {
		t.Errorf("%s is left of %d faults: %v", small.Violation, len(s.Faults), small.Scenario.Faults)
	}
}

// stopSome is an agent that stops what it is to run.
func stopSome(w *World, _ *machine, _ Fault, r *rand.Rand) {
	for _, m := range w.machines {
		if b := m.someBox(r); b != nil && m.proc != nil {
			m.stop(agent.Action{Verb: agent.Stop, ID: b.ID}, func(time.Duration, agent.Result) {})
			return
		}
	}
}
