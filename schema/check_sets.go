package schema

import "strconv"

// waysOf are the strategies of a kind whose slots have a place of their own, for
// who asked for another.
func waysOf(k Kind) string {
	if k == Daemon {
		return `"rolling", which goes from node to node, or "recreate"`
	}
	return `"rolling" or "ordered", which replace each slot in place with its data, or "recreate"`
}

// sets checks a blueGreen update.
func (c *checker) sets() {
	u, strategy := &c.w.Update, []string{"update", "strategy"}
	if u.Strategy != BlueGreen {
		if u.BlueGreen != nil {
			c.add([]string{"update", "blueGreen"}, "blueGreen goes with strategy %q, got %q", BlueGreen, u.Strategy)
		}
		return
	}
	switch {
	case c.w.Kind != Service:
		c.add(strategy, "a second set beside the first is for a service, not a %s: want %s", c.w.Kind, waysOf(c.w.Kind))
	case c.w.OwnsVolumes():
		c.add(strategy, "two sets cannot share a slot's own volume, which has one writer: want \"rolling\", \"recreate\" or \"ordered\"")
	}
	b := u.Sets()
	c.atLeast([]string{"update", "blueGreen", "within"}, b.Within, millisecond)
}

// canary checks the steps of a canary update.
func (c *checker) canary() {
	u, path := &c.w.Update, []string{"update", "canary"}
	switch {
	case u.Strategy != Canary:
		if len(u.Canary) > 0 {
			c.add(path, "steps go with strategy %q, got %q", Canary, u.Strategy)
		}
		return
	case c.w.Kind != Service:
		c.add([]string{"update", "strategy"}, "canaries are slots of a service, not of a %s: want %s", c.w.Kind, waysOf(c.w.Kind))
		return
	case len(u.Canary) == 0:
		c.add([]string{"update"}, "strategy %q wants its steps, such as canary: [{count: 1, pause: \"10m\"}]", Canary)
	}
	before := 0
	for i := range u.Canary {
		before = c.canaryStep(below(path, strconv.Itoa(i)), &u.Canary[i], before)
	}
}

// canaryStep checks one step after those with as many slots as before.
func (c *checker) canaryStep(path []string, s *CanaryStep, before int) int {
	n := s.Slots(c.w.Replicas)
	switch {
	case countSet(s.Count > 0, s.Percent > 0) != 1:
		c.add(path, "want exactly one of count and percent")
		return before
	case s.Count > c.w.Replicas:
		c.add(below(path, "count"), "count %d is above replicas %d", s.Count, c.w.Replicas)
	case n < before:
		c.add(path, "the step has %d of %d slots, fewer than the %d of the one before", n, c.w.Replicas, before)
	}
	c.atLeast(below(path, "within"), s.Within, millisecond)
	c.steps(below(path, "checks"), s.Checks, true)
	for i := range s.Checks {
		if on := s.Checks[i].Slot; on != nil && *on >= n && *on < c.w.Replicas {
			c.add(below(path, "checks", strconv.Itoa(i), "slot"), "slot %d is not ahead in this step, which has the %d lowest", *on, n)
		}
	}
	return max(n, before)
}
