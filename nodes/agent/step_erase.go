package agent

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// erasure is the deletion of one slot's volumes. Nothing of it outlives the agent:
// what is gone already is soon found gone again.
type erasure struct {
	slot schema.Slot
	busy bool
	gone bool
	retry
}

// matchErasures makes the erasures those that the Assignment asks for.
func (s *step) matchErasures(orders []nodes.Deletion) {
	if len(orders) == 0 && len(s.erasures) == 0 {
		return
	}
	next := make([]*erasure, 0, len(orders))
	for i := range orders {
		x := s.erasure(orders[i].Slot)
		if x == nil {
			x = &erasure{slot: orders[i].Slot}
		}
		next = append(next, x)
	}
	s.erasures = next
}

func (s *Local) erasure(slot schema.Slot) *erasure {
	if i := slices.IndexFunc(s.erasures, func(x *erasure) bool { return x.slot == slot }); i >= 0 {
		return s.erasures[i]
	}
	return nil
}

// erase begins what can begin: not while anything of the slot is ordered, or is
// there.
func (s *step) erase() {
	for _, x := range s.erasures {
		switch {
		case x.busy || x.gone || !s.listed:
		case s.now.Before(x.next):
			s.wake(x.next)
		case !s.inUse(x.slot):
			x.busy = true
			s.act(Action{Verb: Erase, ID: x.slot.String(), Slot: x.slot, Timeout: removeTimeout})
		}
	}
}

func (s *step) inUse(slot schema.Slot) bool {
	return slices.ContainsFunc(s.berths, func(l *berth) bool {
		return l.order != nil && l.order.Slot == slot || l.box != nil && l.box.Slot == slot
	})
}

func (s *step) erased(r *Result) {
	slot, _ := schema.ParseSlot(r.ID)
	x := s.erasure(slot)
	if x == nil {
		return
	}
	x.busy = false
	if r.Failure != nil {
		x.retry.fail(*r.Failure, s.now)
		return
	}
	x.gone, x.retry = true, retry{}
}

// showErasures makes the Report's Deleted, and a new slice only if one differs.
func (s *step) showErasures() {
	var told []nodes.Deleted
	for _, x := range s.erasures {
		if x.gone || x.failure != nil {
			told = append(told, nodes.Deleted{Slot: x.slot, Gone: x.gone, Failure: x.failure})
		}
	}
	if !slices.Equal(told, s.deleted) {
		s.deleted, s.out.Changed = told, true
	}
}

// Deleted is what the last step reported of the Assignment's Deletions.
func (s *Local) Deleted() []nodes.Deleted { return s.deleted }
