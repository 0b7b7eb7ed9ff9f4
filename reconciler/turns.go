package reconciler

import (
	"fmt"

	"github.com/bayplan/bayplan/schema"
)

// phase is whether all of its slots have had their turn. Turns begin in their
// order, as many at once as the phase allows. One that has nothing and may not start
// yet holds nobody up: it may be just those that it waits for. Nor does one that may
// not begin hold up what has failed: it may be just that for which it may not.
func (k *walker) phase(ph *schema.Phase) bool {
	active, held, all := k.active(ph), false, true
	for _, slot := range ph.Slots {
		t, m := k.c.turn(slot), k.mark(slot)
		switch {
		case t == nil && m.waits:
			all = false
			continue
		case t == nil && (held && !k.hasFailed(&m) || active >= ph.Parallel || !k.mayBegin(slot, active)):
			held, all = true, false
			continue
		case t == nil:
			if t = k.begin(slot); k.under(t) {
				active++
			}
		}
		if under := k.under(t); !k.turn(t, ph) {
			all = false
		} else if under {
			active--
		}
	}
	return all
}

// active counts the turns of a phase that are under way.
func (k *walker) active(ph *schema.Phase) (count int) {
	for _, slot := range ph.Slots {
		if t := k.c.turn(slot); t != nil && k.under(t) {
			count++
		}
	}
	return count
}

// under is whether a turn is under way: not at its end, nor where all that is left
// to do waits for another slot.
func (k *walker) under(t *Turn) bool {
	m := k.mark(t.Slot)
	return t.At != TurnEnd && (t.At != TurnChange || !m.waits)
}

// hasFailed is whether a slot has nothing, or what does not come up by itself.
func (k *walker) hasFailed(m *mark) bool {
	if m.old == nil || m.current != nil {
		return m.current == nil && !m.comesBack
	}
	return k.p.failure(m.old, k.goal, k.p.facts.Rollouts[k.i].counted()) != ""
}

// begin gives a slot its turn. One that is on the wanted version already has had
// it; one that never was there, as what it is now, has nothing to come before.
func (k *walker) begin(slot int) *Turn {
	t := Turn{Slot: slot, At: TurnBefore}
	switch m := k.mark(slot); {
	case m.current != nil:
		t.At = TurnEnd
	case m.old == nil || !m.old.isKind(k.goal.Kind):
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
