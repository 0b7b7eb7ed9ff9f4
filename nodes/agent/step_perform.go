package agent

import (
	"fmt"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// perform does what a step's order asks for, once. That it is begun is on disk
// before it begins: an agent that finds it begun by another has no way to know
// how it ended, says so and leaves it.
func (s *step) perform(l *berth) {
	switch {
	case l.mem.Outcome != nil:
		l.advance(nodes.Stopped, s.now)
	case l.order.Step.On == "":
		s.oneShot(l)
	case l.busy != Idle:
	case s.now.Before(l.endTry.next):
		s.wake(l.endTry.next)
	case !l.mem.Begun && s.underway[Note]+s.underway[Perform] < stepsAtOnce:
		l.mem.Begun = true
		s.underway[Note]++
		l.busy, l.touched = Note, s.pass
		s.act(Action{Verb: Note, ID: l.mem.ID, Timeout: noteTimeout})
	case !l.mem.Begun:
	case !l.noted:
		s.outcome(l, nodes.Outcome{Unknown: true, Text: "the agent was started anew meanwhile: nobody knows how it ended"})
	default:
		s.performOn(l, s.get(l.order.Step.On))
	}
}

// Distrust is for the first Assignment that an agent ever holds: a step in an
// instance that was ordered before it may have been done by an agent whose folder
// is gone.
func (s *Local) Distrust(first nodes.Assignment) {
	for i := range first.Orders {
		if o := &first.Orders[i]; o.Step != nil && o.Step.On != "" && !o.Stop && o.Since != first.Version {
			s.add(o.ID).mem.Begun = true
		}
	}
}

// noted takes in that the beginning is on disk, or is not.
func (s *step) noted(l *berth, r *Result) {
	if r.Failure != nil {
		l.mem.Begun = false
		l.endTry.fail(*r.Failure, s.now)
		return
	}
	l.noted, l.endTry = true, retry{}
}

func (s *step) performOn(l, on *berth) {
	if on == nil || on.order == nil || on.order.Stop || on.box == nil || on.box.State != StateRunning {
		s.outcome(l, nodes.Outcome{Text: l.order.Step.On + " does not run"})
		return
	}
	s.underway[Perform]++
	l.busy, l.touched = Perform, s.pass
	l.advance(nodes.Running, s.now)
	s.act(Action{Verb: Perform, ID: l.mem.ID, Order: l.order, Target: on.order, Status: *on.box, Timeout: l.order.Step.Timeout.D()})
}

// outcome is the step's end.
func (s *step) outcome(l *berth, o nodes.Outcome) {
	l.mem.Outcome = &o
	l.advance(nodes.Stopped, s.now)
}

// performed takes in how it ended; where its order went meanwhile nobody asks.
func (s *step) performed(l *berth, r *Result) {
	switch {
	case r.Cancelled || l.order == nil || l.order.Stop:
	case r.Outcome != nil:
		s.outcome(l, *r.Outcome)
	default:
		s.outcome(l, nodes.Outcome{Text: r.Failure.Text})
	}
}

// oneShot runs a container of the step's own to its end. That it was started is
// what its engine remembers.
func (s *step) oneShot(l *berth) {
	l.pull = nil
	switch b := l.box; {
	case l.busy != Idle:
	case b != nil && b.State == StateRunning:
		l.advance(nodes.Running, s.now)
		s.limit(l)
	case b != nil && b.State == StateExited:
		l.busy, l.touched = Tail, s.pass
		s.act(Action{Verb: Tail, ID: l.mem.ID, Order: l.order, Status: *b, Halted: l.mem.Halted, Timeout: tailTimeout})
	case !l.verified(): // it may have run already, and is never started twice
		s.out.List = true
	case b == nil && !l.mem.Life.IsZero():
		s.outcome(l, nodes.Outcome{Unknown: true, Text: "its container was removed by someone else"})
	case b == nil && s.unwanted(l) != "":
		s.outcome(l, nodes.Outcome{Text: s.unwanted(l)})
	case b != nil || s.wantImage(l):
		s.wantStart(l)
	}
}

// limit ends a container that has run for too long.
func (s *step) limit(l *berth) {
	end := l.born.Add(l.order.Step.Timeout.D())
	switch {
	case s.now.Before(later(end, l.endTry.next)):
		s.wake(later(end, l.endTry.next))
	default:
		s.stop(l)
	}
}

// ranOut is the outcome of a container that has ended, without its output.
func ranOut(b *Status, halted bool, limit time.Duration) nodes.Outcome {
	switch f := exitFailure(b); {
	case halted:
		return nodes.Outcome{ExitCode: b.ExitCode, Text: fmt.Sprintf("did not end within %s", limit)}
	case b.ExitCode != 0 || b.OOM || b.Error != "":
		return nodes.Outcome{ExitCode: b.ExitCode, Text: f.Text}
	}
	return nodes.Outcome{Passed: true}
}
