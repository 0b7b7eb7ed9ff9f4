package reconciler

import (
	"fmt"

	"github.com/bayplan/bayplan/schema"
)

// phase is whether all of its slots have had their turn. Turns begin in their
// order, as many at once as the phase allows. One that is new and may not start yet
// holds nobody up: it may be just those that it waits for.
func (k *walker) phase(ph *schema.Phase) bool {
	active, held, all := 0, false, true
	for _, slot := range ph.Slots {
		t := k.c.turn(slot)
		if t == nil && k.mark(slot).waits {
			all = false
			continue
		}
		if t == nil && (held || active >= ph.Parallel || !k.mayBegin(slot, active)) {
			held, all = true, false
			continue
		}
		if t == nil {
			t = k.begin(slot)
		}
		if !k.turn(t, ph) {
			active++
			all = false
		}
	}
	return all
}

// begin gives a slot its turn. One that is on the wanted version already has had
// it; one that never was there has nothing to come before.
func (k *walker) begin(slot int) *Turn {
	t := Turn{Slot: slot, At: TurnBefore}
	switch m := k.mark(slot); {
	case m.current != nil:
		t.At = TurnEnd
	case m.old == nil:
		t.At = TurnChange
	}
	k.c.Turns, k.changed = append(k.c.Turns, t), true
	return k.c.turn(slot)
}

// turn goes on with a slot's turn, and is whether that has ended.
func (k *walker) turn(t *Turn, ph *schema.Phase) bool {
	for {
		ok, next := false, TurnEnd
		switch t.At {
		case TurnBefore:
			ok, next = k.list("before", t.Slot, ph.Before), TurnChange
		case TurnChange:
			m := k.mark(t.Slot)
			ok, next = m.current != nil && m.settled && m.old == nil, TurnAfter
		case TurnAfter:
			ok = k.list("after", t.Slot, ph.After)
		default:
			return true
		}
		if !ok {
			return false
		}
		t.At = next
		k.further()
		t = k.c.turn(t.Slot) // what ended is forgotten, which moves nothing here
	}
}

// mark is what the pass found of a slot; a slot that it did not see has nothing.
func (k *walker) mark(slot int) mark {
	for i := range k.p.marks {
		if k.p.marks[i].slot == slot {
			return k.p.marks[i]
		}
	}
	return mark{slot: slot}
}

// mayBegin is whether a slot may have its turn: it is back up if it was lost, and
// no more slots than may be are down or in their turns.
func (k *walker) mayBegin(slot, active int) bool {
	m := k.mark(slot)
	switch {
	case m.current != nil && !m.settled:
		return k.wait("runbook-waits", k.slot(slot)+" is not healthy for long enough", "")
	case m.current != nil:
		return true
	case m.old == nil && m.comesBack:
		return k.wait("runbook-waits", k.slot(slot)+" comes back first, in the version that it had", k.explain(slot))
	}
	down, first := 0, 0
	for _, x := range k.p.marks {
		if t := k.c.turn(x.slot); x.slot != slot && !x.serves && (t == nil || t.At == TurnEnd) {
			if down++; down == 1 {
				first = x.slot
			}
		}
	}
	if m.serves && down > 0 && active+down+1 > k.goal.Update.InPlace(k.goal.Replicas) {
		return k.wait("runbook-waits", fmt.Sprintf("%s waits for its turn: %s is down", k.slot(slot), k.slot(first)), k.explain(first))
	}
	return true
}
