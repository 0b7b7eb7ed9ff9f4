package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// A run begins on an ordinary day, or on one on which clocks are put back in Europe an
// hour later.
var (
	ordinary = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	putBack  = time.Date(2026, 10, 25, 0, 5, 0, 0, time.UTC)
)

// World is one cluster with all that surrounds it, and its one clock.
type World struct {
	Scenario
	began  time.Time
	now    time.Duration // since began
	queue  queue
	seq    uint64
	events int

	ledger   ledger
	registry registry
	repo     repo
	// servers are those that run: the one that agents dial, and behind it former
	// leaders that have not noticed yet.
	servers  []*server
	runs     int
	machines []*machine // sorted by name
	truth    truth
	quiet    bool // no more faults come

	// sum is over all that happened; lines is that as text, where tracing.
	sum     uint64
	tracing bool
	lines   []string
}

// Violation is what was never to happen, as a panic that ends the run.
type Violation struct {
	// Invariant is its name: "I2".
	Invariant string
	// Text says what was found.
	Text string
	At   time.Duration
}

func (v *Violation) Error() string { return v.Invariant + ": " + v.Text }

// violate ends the run.
func (w *World) violate(invariant, format string, args ...any) {
	panic(&Violation{Invariant: invariant, Text: fmt.Sprintf(format, args...), At: w.now})
}

// time is the present instant on a clock without fault: the server's.
func (w *World) time() time.Time { return w.began.Add(w.now) }

// note adds a line to what happened. The parts are what a person wants to read of
// it.
func (w *World) note(what string, parts ...string) {
	const prime = 1099511628211
	h := w.sum ^ uint64(w.now)
	for i := range len(what) {
		h = (h ^ uint64(what[i])) * prime
	}
	for _, p := range parts {
		for i := range len(p) {
			h = (h ^ uint64(p[i])) * prime
		}
		h = (h ^ ' ') * prime
	}
	w.sum = h
	if w.tracing {
		w.lines = append(w.lines, fmt.Sprintf("%12s  %-10s %s", w.now.Round(time.Millisecond), what, join(parts)))
	}
}

func join(parts []string) (all string) {
	for i, p := range parts {
		if i > 0 {
			all += " "
		}
		all += p
	}
	return all
}

// luck is a stream of chance of its own for every part of the world, so that what
// happens to one of them takes nothing from the others' and a shortened history
// stays much like the whole.
func (s *Scenario) luck(of string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(of))
	return rand.New(rand.NewPCG(s.Seed, h.Sum64()))
}

// between draws a duration, the shorter the likelier.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	f := r.Float64()
	return least + time.Duration(f*f*float64(most-least))
}
