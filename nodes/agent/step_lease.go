package agent

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// Renewed is until when what is leased may run once the server is known to have
// heard a message that was sent after the mark; newest is the Assignment that it has
// for the node. lapsed is whether the lease was over by now: what ended with it goes
// on only by that Assignment or a newer one, which may have given it to another node.
func Renewed(lease, now, sent Mark, held, newest nodes.Version) (until Mark, lapsed bool) {
	until, lapsed = sent+Mark(nodes.LeaseTime), now >= lease
	if until <= max(lease, now) || lapsed && held.Compare(newest) < 0 {
		return lease, lapsed
	}
	return until, lapsed
}

// leases is whether what is leased may run now.
func (s *step) leases() bool {
	s.out.Leased = true
	if !s.now.Before(s.lease) {
		return false
	}
	s.wake(s.lease)
	return true
}

// leaseGrace is what a program has to end in once its lease is over, whatever its
// own grace: by twice that what is beside it has ended too, and the rest of
// [nodes.LeaseStop] is the engine's. Before that no stop of it takes longer than
// the lease.
const leaseGrace = 4 * time.Second

// lapse ends what has a lease that is over, and leaves it there to be started
// again. No order said so: the server is not heard, and may have given it to
// another node by now (I25).
func (s *step) lapse(l *berth) {
	l.pull = nil
	switch {
	case l.busy == Start && !l.cancelled:
		l.cancelled = true
		s.act(Action{Verb: Cancel, ID: l.mem.ID})
	case l.busy != Idle || l.box == nil:
	case s.now.Before(l.endTry.next):
		s.wake(l.endTry.next)
	case l.box.State == StateRunning || l.box.State == StatePreparing || l.box.Left:
		l.advance(nodes.Stopping, s.now)
		if !l.mem.Halted {
			l.mem.Failure = &nodes.Failure{Code: nodes.LeaseExpired, Text: leaseText, At: s.now, Count: 1}
		}
		s.stopNow(l)
	default:
		s.ranOut(l)
		l.advance(nodes.Stopped, s.now)
	}
}

// ranOut takes in that the runtime ended the container itself, as no agent did.
func (s *step) ranOut(l *berth) {
	if b := l.box; b != nil && b.State == StateExited && b.Lapsed && !l.mem.Halted {
		l.mem.Halted = true
		l.mem.Failure = &nodes.Failure{Code: nodes.LeaseExpired, Text: lapsedText, At: s.instant(b.Finished), Count: 1}
	}
}

// lapsedText tells of one that was ended without an agent.
var lapsedText = "ended as its lease was over, while no agent ran on the node: the server was not heard for " + nodes.LeaseTime.String() +
	" and may have given it to another node; it starts again once the server is heard"

// leaseText is the same wherever it is told.
var leaseText = "ended by its agent: the server was not heard for " + nodes.LeaseTime.String() +
	" and may have given it to another node; it starts again once the server is heard"
