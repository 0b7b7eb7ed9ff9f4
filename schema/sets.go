package schema

import (
	"cmp"
	"slices"
)

// The strategies of an update that prove a new version before it has all of the
// work.
const (
	// BlueGreen brings up a whole set of the new version beside the old one.
	BlueGreen = "blueGreen"
	// Canary lets a few slots go ahead, step by step.
	Canary = "canary"
)

// BlueGreenUpdate is when an update goes over to the new set, and what becomes
// of the old one.
type BlueGreenUpdate struct {
	// Soak is how long the whole new set must be healthy before it is promoted.
	Soak Duration `json:"soak"`
	// Promotion is "auto", or "manual": an operator promotes it, Within the time
	// that it waits for that.
	Promotion string   `json:"promotion"`
	Within    Duration `json:"within"`
	// KeepOld is how long the old set stays whole after the promotion.
	KeepOld Duration `json:"keepOld"`
	// Drain is how long at least a set that no longer serves goes on.
	Drain Duration `json:"drain"`
}

// sets are the defaults of #BlueGreen.
var sets = BlueGreenUpdate{Soak: 30 * second, Promotion: "auto", Within: 24 * 3600 * second, KeepOld: 600 * second, Drain: 10 * second}

const second = 1000 * millisecond

// Sets is how a blueGreen update changes sets.
func (u *Update) Sets() BlueGreenUpdate { return *cmp.Or(u.BlueGreen, &sets) }

// Manual is whether an operator promotes the new set.
func (b *BlueGreenUpdate) Manual() bool { return b.Promotion == "manual" }

// Kept is how long the old set is there after the promotion.
func (b *BlueGreenUpdate) Kept() Duration { return max(b.KeepOld, b.Drain) }

// CanaryStep is how many slots are on the new version, and what is waited for
// and asked before there are more.
type CanaryStep struct {
	// Count or Percent is set: slots, or a share of all.
	Count   int `json:"count,omitempty"`
	Percent int `json:"percent,omitempty"`
	// Pause is how long they must be healthy.
	Pause Duration `json:"pause"`
	// Approve is whether an operator lets it go on, Within the time that it waits
	// for that.
	Approve bool     `json:"approve"`
	Within  Duration `json:"within"`
	// Checks are made once they were healthy for so long, before anybody is asked.
	// One that names no slot is about the step's last.
	Checks []Step `json:"checks,omitempty"`
}

// Slots are how many of all go ahead in the step, rounded up, at most all.
func (s *CanaryStep) Slots(all int) int {
	if s.Percent > 0 {
		return Amount{Percent: s.Percent, IsPercent: true}.Of(all)
	}
	return min(s.Count, all)
}

// FixedPorts are the names of the ports that are the same on each node, sorted:
// no two slots with one share a node.
func (w *Workload) FixedPorts() (names []string) {
	for name, p := range w.Ports {
		if p.Host != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
