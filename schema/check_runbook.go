package schema

import (
	"slices"
	"strconv"
)

// runbook checks what the way of an ordered update says.
func (c *checker) runbook() {
	b, path := c.w.Update.Runbook, []string{"update", "runbook"}
	if c.w.Update.Strategy == Ordered && c.w.Kind == Daemon {
		c.add([]string{"update", "strategy"}, "a daemon has no order: \"ordered\" is for slots that are numbered; want %s", waysOf(Daemon))
		return
	}
	if b == nil {
		return
	}
	if c.w.Update.Strategy != Ordered {
		c.add(path, "a runbook goes with strategy \"ordered\", got %q", c.w.Update.Strategy)
	}
	c.steps(append(path, "first"), b.First, false)
	c.turn(path, b.Before, b.After, b.Parallel)
	if len(b.Phases) > 0 && len(b.Before)+len(b.After) > 0 {
		c.add(append(path, "phases"), "before and after stand in the phases, or beside them in place of phases: not both")
	}
	c.phases(append(path, "phases"), b.Phases)
	c.steps(append(path, "last"), b.Last, false)
}

// below is a path one or more names further in.
func below(path []string, names ...string) []string { return append(slices.Clone(path), names...) }

// turn checks what is around each instance.
func (c *checker) turn(path []string, before, after []Step, parallel int) {
	if most := c.w.Update.InPlace(c.w.Replicas); parallel > most {
		c.add(below(path, "parallel"), "parallel %d is above maxUnavailable, which lets %d at a time be down", parallel, most)
	}
	c.steps(below(path, "before"), before, true)
	c.steps(below(path, "after"), after, true)
}

// phases checks that each slot has one.
func (c *checker) phases(path []string, all []Phase) {
	owner, rest := map[int]string{}, ""
	for i := range all {
		p, at := &all[i], below(path, strconv.Itoa(i))
		if !ValidName(p.Name) {
			c.add(below(at, "name"), "%s", NameRule)
		}
		c.turn(at, p.Before, p.After, p.Parallel)
		for j, n := range p.Slots {
			c.phaseSlot(below(at, "slots", strconv.Itoa(j)), n, owner, p.Name)
		}
		if len(p.Slots) > 0 {
			continue
		}
		if rest != "" {
			c.add(at, "phase %q has all slots that no other names already", rest)
		}
		rest = p.Name
	}
	for n := range c.w.Replicas {
		if _, has := owner[n]; len(all) > 0 && rest == "" && !has {
			c.add(path, "slot %d is in no phase: name it, or let one phase without slots have the rest", n)
			return
		}
	}
}

func (c *checker) phaseSlot(path []string, n int, owner map[int]string, phase string) {
	if first, taken := owner[n]; taken {
		c.add(path, "slot %d has its turn in phase %q already", n, first)
		return
	}
	owner[n] = phase
	c.knownSlot(path, n)
}

func (c *checker) knownSlot(path []string, n int) {
	switch {
	case n < c.w.Replicas:
	case c.w.Replicas == 1:
		c.add(path, "there is no slot %d, only slot 0", n)
	default:
		c.add(path, "there is no slot %d: the workload has slots 0 to %d", n, c.w.Replicas-1)
	}
}

// steps checks a list; inTurn is whether there is a slot in its turn.
func (c *checker) steps(path []string, all []Step, inTurn bool) {
	first := map[string]bool{}
	for i := range all {
		s, at := &all[i], below(path, strconv.Itoa(i))
		switch {
		case !ValidName(s.Name):
			c.add(below(at, "name"), "%s", NameRule)
		case first[s.Name]:
			c.add(below(at, "name"), "step %q is in this list already", s.Name)
		}
		first[s.Name] = true
		c.step(at, s, inTurn)
	}
}

func (c *checker) step(path []string, s *Step, inTurn bool) {
	if n := countSet(s.Exec != nil, s.HTTP != nil, s.TCP != nil, s.Run != nil); n != 1 {
		c.add(path, "want exactly one of exec, http, tcp and run, got %d", n)
	}
	if s.HTTP != nil {
		c.stepPort(below(path, "http", "port"), s.HTTP.Port)
	}
	if s.TCP != nil {
		c.stepPort(below(path, "tcp", "port"), s.TCP.Port)
	}
	switch {
	case s.Slot != nil:
		c.knownSlot(below(path, "slot"), *s.Slot)
	case !inTurn && s.Run == nil:
		c.add(path, "slot is missing: around the whole no slot is in its turn")
	}
	if s.Run != nil {
		c.oneShot(below(path, "run"), s.Run)
	}
	c.atLeast(below(path, "timeout"), s.Timeout, millisecond)
	if most := c.w.Update.ProgressDeadline; s.Retries > 0 && s.Interval >= most {
		c.add(below(path, "interval"), "interval %s is not below progressDeadline %s: the update is over before the step is tried again", s.Interval, most)
	}
}

// oneShot checks what a step's own container runs: the workload's own program
// would never end.
func (c *checker) oneShot(path []string, run *OneShot) {
	switch {
	case run.Image == "" && c.w.Image == "":
		c.add(path, "image is missing: the workload has none that it could run")
	case run.Image == "" && len(run.Command)+len(run.Args) == 0:
		c.add(path, "command or args are missing: it would run the workload's own program, which does not end")
	}
}

func (c *checker) stepPort(path []string, name string) { c.probedPort(path, name, "a step") }
