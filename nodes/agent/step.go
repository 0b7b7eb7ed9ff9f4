package agent

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// step is one call of Step.
type step struct {
	*Local
	// now, wall and lease are the Input's.
	now, wall, lease time.Time
	policy           *schema.MachinePolicy
	out              Output
	// starts and pulls want to begin; their order is their turn.
	starts []*berth
	pulls  []*image
	// underway counts actions by verb, without slow pulls; pulling counts all
	// pulls, retrying the starts of instances that failed before.
	underway          [Cancel]int
	pulling, retrying int
}

// Step decides what to do next on a node.
//
// Given the same Local, Orders, Listing, Results and Now it decides the same.
// An action is issued once; the next for its instance waits for its Result.
func Step(in Input) Output {
	s := step{Local: in.Local, now: in.Now, wall: in.Wall, lease: in.Lease, policy: in.Policy}
	if s.wall.IsZero() {
		s.wall = s.now
	}
	s.pass++
	s.wakeUp()
	s.match(in.Orders)
	s.matchErasures(in.Deletions)
	s.fetched(in.Fetched)
	s.finish(in.Results)
	s.hear(in.Listing, in.EngineDown)
	s.count()
	s.decide()
	s.allot()
	s.erase()
	s.forget()
	s.show()
	s.showErasures()
	return s.out
}

// match gives each berth its order and makes berths for new orders, where the
// orders are not those of the last step.
func (s *step) match(orders []nodes.Order) {
	if len(orders) == len(s.matched) && (len(orders) == 0 || &orders[0] == &s.matched[0]) {
		return
	}
	s.matched = orders
	for _, l := range s.berths {
		if i, ok := slices.BinarySearchFunc(orders, l.mem.ID, orderByID); ok {
			s.take(l, &orders[i])
		} else {
			l.order, l.pull, l.endTry = nil, nil, retry{}
		}
	}
	for i := range orders {
		if _, ok := s.find(orders[i].ID); !ok {
			s.take(s.add(orders[i].ID), &orders[i])
		}
	}
}

func orderByID(o nodes.Order, id string) int { return strings.Compare(o.ID, id) }

// take notes what is new in an order.
func (s *step) take(l *berth, o *nodes.Order) {
	old := l.order
	l.order = o
	if old == o {
		return
	}
	if o.Stop && (old == nil || !old.Stop) {
		l.ordered, l.endTry = s.pass, retry{}
	}
	if !o.Stop && (old == nil || old.Stop) {
		l.endTry = retry{}
		if !l.recalled {
			l.begin(s.now)
		}
	}
	if old != nil && !samePorts(old.Ports, o.Ports) {
		l.mem.Next, l.mem.Streak = time.Time{}, 0
	}
}

// decide moves every berth as far as it can go now.
func (s *step) decide() {
	for _, img := range s.images {
		img.needed = false
	}
	if !s.listed {
		return
	}
	for _, l := range s.berths {
		switch {
		case l.order == nil:
			l.watch(s.now)
		case l.order.Stop || l.misfit():
			s.end(l)
		case l.order.Leased && !s.leases():
			s.lapse(l)
		case l.order.Step != nil:
			s.perform(l)
		default:
			s.run(l)
		}
	}
}

// allot begins what wants to begin, as far as the limits go.
func (s *step) allot() {
	if !s.listed {
		return
	}
	s.cancelPulls()
	s.allotPulls()
	slices.SortStableFunc(s.starts, byTurn)
	for _, l := range s.starts {
		if s.underway[Start] < Starts && (l.mem.Streak == 0 || s.retrying < Starts/2) {
			s.start(l)
		}
	}
}

// byTurn lets first tries go before retries and gives every workload its first
// slots before any its last.
func byTurn(a, b *berth) int {
	if f, g := a.mem.Streak > 0, b.mem.Streak > 0; f != g {
		if f {
			return 1
		}
		return -1
	}
	return a.order.Slot.Index - b.order.Slot.Index
}

func (s *step) start(l *berth) {
	l.busy, l.touched = Start, s.pass
	l.advance(nodes.Starting, s.now)
	s.underway[Start]++
	if l.mem.Streak > 0 {
		s.retrying++
	}
	s.act(Action{Verb: Start, ID: l.mem.ID, Order: l.order, Timeout: startTimeout})
}

func (s *step) allotPulls() {
	slices.SortStableFunc(s.pulls, func(a, b *image) int { return min(a.streak, 1) - min(b.streak, 1) })
	for _, img := range s.pulls {
		if s.underway[Pull] >= Pulls || s.pulling >= pullsInAll {
			continue
		}
		img.busy, img.began = true, s.now
		s.underway[Pull]++
		s.pulling++
		s.wake(s.now.Add(pullSlow))
		s.act(Action{Verb: Pull, ID: img.first.mem.ID, Image: img.ref, Order: img.first.order, Timeout: pullTimeout})
	}
}

// cancelPulls ends the pulls that nobody waits for any more.
func (s *step) cancelPulls() {
	for _, img := range s.images {
		if img.busy && !img.needed && !img.cancelled {
			img.cancelled = true
			s.act(Action{Verb: Cancel, Image: img.ref})
		}
	}
}

func (s *step) act(a Action) { s.out.Actions = append(s.out.Actions, a) }

// wake asks for a step at t, if nothing earlier is asked for.
func (s *step) wake(t time.Time) {
	if s.out.Wake.IsZero() || t.Before(s.out.Wake) {
		s.out.Wake = t
	}
}

// sourcesOf is what a node pulls before it can start w: the image, by its digest
// where that is known, and the artifact.
func sourcesOf(w *schema.Workload) iter.Seq[string] {
	return func(yield func(string) bool) {
		if image := cmp.Or(w.Pinned, w.Image); image != "" && !yield(image) {
			return
		}
		if w.Artifact != nil && !yield(w.Artifact.Ref()) {
			return
		}
		for _, p := range w.Parts() {
			if !yield(cmp.Or(p.Pinned, p.Image)) {
				return
			}
		}
	}
}
