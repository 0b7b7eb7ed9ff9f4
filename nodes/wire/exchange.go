package wire

import (
	"bytes"
	"fmt"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

// receive is the next message, if it is the next.
func (e *session) receive() (*wirepb.AgentMessage, error) {
	m, err := e.stream.Receive()
	if err != nil {
		return nil, err
	}
	e.watch.Reset(e.silence())
	if e.seq++; m.Seq != e.seq {
		return nil, invalid("message %d came where %d was due", m.Seq, e.seq)
	}
	return m, nil
}

func (e *session) read() error {
	for {
		m, err := e.receive()
		if err == nil {
			err = e.handle(m)
		}
		if err != nil {
			return err
		}
	}
}

func (e *session) handle(m *wirepb.AgentMessage) error {
	switch b := m.Body.(type) {
	case *wirepb.AgentMessage_Report:
		r, err := decodeReport(b.Report, e.peer.Name)
		if err != nil {
			return invalid("%w", err)
		}
		e.take(r)
	case *wirepb.AgentMessage_Change:
		c, err := decodeChange(b.Change, e.peer.Name)
		if err != nil {
			return invalid("%w", err)
		}
		if !e.reported {
			return invalid("a change came before the report that it changes")
		}
		r := e.report.Apply(c)
		if n := len(r.Instances); n > nodes.MaxInstances {
			return invalid("changes add up to %d instances, over the limit of %d", n, nodes.MaxInstances)
		}
		e.take(r)
	case *wirepb.AgentMessage_Heartbeat:
		e.heartbeat(b.Heartbeat)
	case *wirepb.AgentMessage_Refused:
		e.refused(nodes.Version{Epoch: b.Refused.Epoch, Serial: b.Refused.Serial}, nodes.CutText(b.Refused.Why))
	default:
		return invalid("a message of an unknown kind")
	}
	return nil
}

func (e *session) take(r nodes.Report) {
	e.report, e.reported = r, true
	r.Node.Leases = e.leases
	e.s.cfg.Roster.Report(e.peer.Name, r)
}

// heartbeat compares what both sides believe, and sends the whole where they
// differ.
func (e *session) heartbeat(h *wirepb.Heartbeat) {
	if !e.reported {
		return
	}
	e.s.cfg.Roster.Heard(e.peer.Name)
	if e.leases && e.s.cfg.Roster.Trusted(e.peer.Name) {
		put(e.answers, e.seq)
	}
	sum := e.report.Sum()
	if bytes.Equal(h.ReportDigest, sum[:]) {
		e.resync.reset()
	} else if e.resync.due() {
		e.log.Warn("a change was lost: asking for a full report")
		e.tell(&wirepb.ServerMessage{Body: &wirepb.ServerMessage_Resync{Resync: &wirepb.Resync{}}})
	}
	e.compareAssignment(h.AssignmentDigest)
}

func (e *session) compareAssignment(held []byte) {
	a, _ := e.s.cfg.Roster.Parked(e.peer.Name)
	e.mu.Lock()
	sent := e.sent
	e.mu.Unlock()
	if a.Version == (nodes.Version{}) || sent != a.Version {
		return
	}
	if e.parked != a.Version {
		e.parked, e.sum = a.Version, a.Sum()
	}
	if bytes.Equal(held, e.sum[:]) {
		e.resend.reset()
		e.s.cfg.Roster.Refused(e.peer.Name, a.Version, "")
		return
	}
	// The first doubt may have crossed with the Assignment on its way.
	if e.doubted != a.Version {
		e.doubted = a.Version
	} else if e.resend.due() {
		select {
		case e.again <- struct{}{}:
		default:
		}
	}
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

func invalid(format string, args ...any) error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, args...))
}
