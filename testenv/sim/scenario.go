package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Scenario is all that a run is a function of. It is drawn from its seed, and may be
// made smaller to show the same with less.
type Scenario struct {
	Seed      uint64
	Nodes     int
	Workloads int
	// Faults come until the last of them; then the world is left alone.
	Faults []Fault
	// Length is when the quiet begins.
	Length time.Duration
	Kinds  []schema.Kind
	Bads   int
	// PutBack is whether it is a day on which clocks are put back.
	PutBack bool
}

// Fault is one thing that happens to the world from outside.
type Fault struct {
	At   time.Duration
	Kind string
	// Node is which machine, by its place; Luck is for what else is to be chosen.
	Node int
	Luck uint64
	For  time.Duration
}

func (f Fault) String() string {
	return fmt.Sprintf("%s %s node %d for %s", f.At.Round(time.Second), f.Kind, f.Node, f.For.Round(time.Second))
}

// Draw is the scenario of a seed: a swarm draws for each its own subset of faults,
// at rates of its own, and a size of its own.
func Draw(seed uint64) Scenario {
	r := rand.New(rand.NewPCG(seed, 1))
	s := Scenario{Seed: seed, Nodes: 4 + r.IntN(20), Workloads: 1 + r.IntN(60), Length: between(r, 20*time.Minute, 90*time.Minute), Bads: pick(r, 0, 5, 20)}
	if r.IntN(3) == 0 {
		s.Nodes, s.Workloads = 4+r.IntN(3), 1+r.IntN(12)
	}
	for _, k := range schema.Kinds {
		if r.IntN(3) > 0 {
			s.Kinds = append(s.Kinds, k)
		}
	}
	if len(s.Kinds) == 0 {
		s.Kinds = schema.Kinds
	}
	for i := range faults {
		if r.IntN(2) == 0 {
			s.draw(r, &faults[i])
		}
	}
	s.PutBack = r.IntN(4) == 0
	for range 2 + r.IntN(6) { // a repository that nobody writes to shows little
		s.Faults = append(s.Faults, Fault{At: between(r, time.Minute, s.Length), Kind: "commit", Luck: r.Uint64()})
	}
	slices.SortStableFunc(s.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return s
}

// draw adds a kind of fault at a rate between one and thirty an hour.
func (s *Scenario) draw(r *rand.Rand, k *kind) {
	rate := pick(r, 1.0, 3, 10, 30)
	for at := time.Minute; ; {
		at += time.Duration(r.ExpFloat64() / rate * float64(time.Hour))
		if at >= s.Length {
			return
		}
		s.Faults = append(s.Faults, Fault{At: at, Kind: k.name, Node: r.IntN(s.Nodes), Luck: r.Uint64(), For: min(between(r, k.least, k.most), s.Length-at)})
	}
}
