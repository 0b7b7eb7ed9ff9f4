package agent

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// endingTold is how long the report tells of an instance that is gone.
const endingTold = time.Hour

// endings notes what went wrong as an instance came to its end. A removal that is
// tried again runs nothing again, and so tells it once.
func (s *step) endings(l *berth, r *Result) {
	if r.Ending == nil || l.order == nil {
		return
	}
	e := nodes.Ending{ID: l.mem.ID, Slot: l.order.Slot, Failure: *r.Ending}
	e.Failure.At, e.Failure.Count = s.now, 1
	all := append(slices.Clone(s.farewells), e)
	s.farewells, s.nodeChanged = all[max(0, len(all)-nodes.MaxEndings):], true
}

func (s *step) forgetEndings() {
	for len(s.farewells) > 0 {
		end := s.farewells[0].Failure.At.Add(endingTold)
		if s.now.Before(end) {
			s.wake(end)
			return
		}
		s.farewells, s.nodeChanged = s.farewells[1:], true
	}
}

// Endings are the Report's. The slice is never changed.
func (s *Local) Endings() []nodes.Ending { return s.farewells }
