package dialogue

import (
	"errors"
	"fmt"

	"github.com/bayplan/bayplan/nodes"
)

// Roster is the server's memory of its nodes, as far as a session writes to it;
// nodes/roster has the real one.
type Roster interface {
	// Report takes over a full report, times on the agent's clock.
	Report(node string, r nodes.Report)
	// Heard notes that the node lives.
	Heard(node string)
	// Trusted is whether the node may run what is leased, by an Assignment that is
	// no older than the one that is parked afterwards.
	Trusted(node string) bool
	// Refused notes why the node does not take over an Assignment; an empty
	// why withdraws that.
	Refused(node string, v nodes.Version, why string)
}

// Server is the server's end of one session.
type Server struct {
	node   string
	roster Roster
	// leases is whether the agent keeps leases.
	leases bool

	reported bool
	report   nodes.Report // as the agent sent it, on its clock
	sum      *nodes.Sum   // of report, once it was asked for
	// sent is the newest Assignment that was written.
	sent    nodes.Version
	doubted nodes.Version // of which a heartbeat differed
	parked  nodes.Version // whose sum is held
	held    nodes.Sum
	resync  patience
	resend  patience
}

// NewServer is the end of a session that begins; leases is whether the agent keeps
// them.
func NewServer(node string, roster Roster, leases bool) *Server {
	return &Server{node: node, roster: roster, leases: leases}
}

// Report takes in a report in full. It is the first of the session where the
// Assignment may be due since.
func (s *Server) Report(r nodes.Report) (first bool) {
	first = !s.reported
	s.take(r)
	return first
}

func (s *Server) take(r nodes.Report) {
	s.report, s.sum, s.reported = r, nil, true
	r.Node.Leases = s.leases
	s.roster.Report(s.node, r)
}

// Change takes in what differs from the report before.
func (s *Server) Change(c nodes.Change) error {
	if !s.reported {
		return errors.New("a change came before the report that it changes")
	}
	r := s.report.Apply(c)
	if n := len(r.Instances); n > nodes.MaxInstances {
		return fmt.Errorf("changes add up to %d instances, over the limit of %d", n, nodes.MaxInstances)
	}
	s.take(r)
	return nil
}

// Reply is what a heartbeat asks to be sent.
type Reply struct {
	// Answer is whether the heartbeat is to be answered, after the Assignment that
	// is parked by then.
	Answer bool
	// Resync is whether a change was lost: the agent is to send its report in full.
	Resync bool
	// Again is whether the Assignment is to be sent once more.
	Again bool
}

// Beat takes in a heartbeat. It compares what both sides believe, and asks for the
// whole where they differ. parked is the node's newest Assignment.
func (s *Server) Beat(b Beat, parked *nodes.Assignment) (r Reply) {
	if !s.reported {
		return r
	}
	s.roster.Heard(s.node)
	r.Answer = s.leases && s.roster.Trusted(s.node)
	if s.sum == nil {
		sum := s.report.Sum()
		s.sum = &sum
	}
	if b.Report == *s.sum {
		s.resync.reset()
	} else {
		r.Resync = s.resync.due()
	}
	r.Again = s.compare(b.Holds, parked)
	return r
}

// compare is whether the agent needs the Assignment once more.
func (s *Server) compare(held nodes.Sum, a *nodes.Assignment) bool {
	if a.Version == (nodes.Version{}) || s.sent != a.Version {
		return false
	}
	if s.parked != a.Version {
		s.parked, s.held = a.Version, a.Sum()
	}
	if held == s.held {
		s.resend.reset()
		s.roster.Refused(s.node, a.Version, "")
		return false
	}
	// The first doubt may have crossed with the Assignment on its way.
	if s.doubted != a.Version {
		s.doubted = a.Version
		return false
	}
	return s.resend.due()
}

// Delivers is whether the parked Assignment is to be sent now: it was not yet, or
// is to be again. It counts as sent from then on.
//
// An agent that holds none has to be known as such first: its machine may have been
// set up anew under its name, and what has ended there, and is kept no more, is not
// to be begun again (I5).
func (s *Server) Delivers(parked nodes.Version, again bool) bool {
	if !s.reported || s.report.Seen == (nodes.Version{}) && !s.roster.Trusted(s.node) {
		return false
	}
	sent := s.sent
	s.sent = parked
	return parked != (nodes.Version{}) && (sent != parked || again)
}

// patience spaces out the repetitions of a cure that does not help: at once,
// then after 1, 2, 4 … 64 heartbeats.
type patience struct{ wait, left int }

func (p *patience) reset() { *p = patience{} }

func (p *patience) due() bool {
	if p.left > 0 {
		p.left--
		return false
	}
	p.left = p.wait
	p.wait = min(max(1, 2*p.wait), 64)
	return true
}
