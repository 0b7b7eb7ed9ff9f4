package agent

import (
	"maps"
	"slices"

	"github.com/bayplan/bayplan/nodes"
)

// show makes the Report's instances, and a new slice only if one differs.
func (s *step) show() {
	s.spare = s.spare[:0]
	for _, l := range s.berths {
		if l.visible() {
			s.spare = append(s.spare, l.instance())
		}
		l.remember()
		if l.mem != l.kept {
			l.kept, s.out.Durable = l.mem, true
		}
	}
	if !slices.EqualFunc(s.spare, s.shown, sameInstance) {
		s.shown, s.out.Changed = slices.Clone(s.spare), true
	}
	s.out.Changed = s.out.Changed || s.nodeChanged
	s.nodeChanged = false
	s.out.Instances = s.shown
}

func (l *berth) visible() bool {
	if l.order == nil {
		return l.box != nil
	}
	return !l.gone
}

func (l *berth) instance() nodes.Instance {
	i := nodes.Instance{
		ID: l.mem.ID, Phase: l.phase, Health: l.health, Since: l.since,
		Restarts: l.mem.Restarts, Failure: l.failure(), Outcome: l.mem.Outcome,
	}
	if l.phase == nodes.Pulling && l.pull != nil {
		i.Fetched = l.pull.fetched
	}
	if o := l.order; o != nil {
		i.Slot, i.Digest, i.Ports = o.Slot, o.Digest, o.Ports
	}
	if l.recalled {
		i.Container, i.Started = l.mem.Container, l.born
	}
	if b := l.box; b != nil {
		i.Container = b.Container
		if !b.Started.IsZero() {
			i.Started = l.born
		}
		if l.order == nil {
			i.Slot, i.Digest = b.Slot, b.Digest
		}
		if b.Ports != nil {
			i.Ports = b.Ports // what it holds, not what it should
		}
	}
	return i
}

// failure is the one that says most about the present state.
func (l *berth) failure() *nodes.Failure {
	switch {
	case l.endTry.failure != nil:
		return l.endTry.failure
	case l.phase == nodes.Running && l.probe.failure != nil:
		return l.probe.failure
	case l.pull != nil && l.pull.failure != nil:
		return l.pull.failure
	case l.phase == nodes.Running && l.full != nil:
		return l.full
	}
	return l.mem.Failure
}

func sameInstance(a, b nodes.Instance) bool {
	if !maps.Equal(a.Ports, b.Ports) || !a.Since.Equal(b.Since) || !a.Started.Equal(b.Started) || !sameFailure(a.Failure, b.Failure) {
		return false
	}
	return a.ID == b.ID && a.Slot == b.Slot && a.Digest == b.Digest && a.Phase == b.Phase && a.Health == b.Health &&
		a.Container == b.Container && a.Restarts == b.Restarts && a.Outcome.Equal(b.Outcome) &&
		nodes.SameFetched(a.Fetched, b.Fetched)
}

func sameFailure(a, b *nodes.Failure) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
