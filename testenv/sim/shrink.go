package sim

// maxRuns bounds the search for a shorter history.
const maxRuns = 300

// Shrink looks for less that shows the same: without what came after, without parts
// of the faults, and with fewer workloads. What it returns violates the same
// invariant.
func Shrink(was Result) Result {
	s := &shrinker{best: was, left: maxRuns}
	s.without(func(f Fault) bool { return f.At > was.Violation.At })
	for size := max(1, len(s.best.Scenario.Faults)/2); ; size /= 2 {
		s.chunks(size)
		if size <= 1 {
			break
		}
	}
	for n := s.best.Scenario.Workloads / 2; n >= 1 && s.left > 0; n /= 2 {
		next := s.best.Scenario
		if next.Workloads -= n; next.Workloads > 0 {
			s.try(next)
		}
	}
	return s.best
}

type shrinker struct {
	best Result
	left int
}

// try keeps a scenario that shows the same.
func (s *shrinker) try(next Scenario) bool {
	if s.left--; s.left < 0 {
		return false
	}
	r := Run(next, false)
	same := r.Violation != nil && r.Violation.Invariant == s.best.Violation.Invariant
	if same {
		s.best = r
	}
	return same
}

func (s *shrinker) without(drop func(Fault) bool) {
	next := s.best.Scenario
	next.Faults = nil
	for _, f := range s.best.Scenario.Faults {
		if !drop(f) {
			next.Faults = append(next.Faults, f)
		}
	}
	if len(next.Faults) < len(s.best.Scenario.Faults) {
		s.try(next)
	}
}

// chunks drops runs of so many faults, the last ones first: what came last had the
// least to follow from it.
func (s *shrinker) chunks(size int) {
	for end := len(s.best.Scenario.Faults); end > 0 && s.left > 0; end -= size {
		next := s.best.Scenario
		from, to := max(0, end-size), min(end, len(next.Faults))
		if from >= to {
			continue
		}
		next.Faults = append(append([]Fault(nil), next.Faults[:from]...), next.Faults[to:]...)
		s.try(next)
	}
}
