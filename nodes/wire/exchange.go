package wire

import (
	"fmt"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/dialogue"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

// receive is the next message, if it is the next.
func (e *session) receive() (*wirepb.AgentMessage, error) {
	m, err := e.stream.Receive()
	if err != nil {
		return nil, err
	}
	e.watch.Reset(e.silence())
	if err := e.seq.Take(m.Seq); err != nil {
		return nil, invalid("%w", err)
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
		first := false
		e.told(func() { first = e.end.Report(r) })
		if first {
			put(e.look, struct{}{})
		}
	case *wirepb.AgentMessage_Change:
		c, err := decodeChange(b.Change, e.peer.Name)
		if err != nil {
			return invalid("%w", err)
		}
		e.told(func() { err = e.end.Change(c) })
		if err != nil {
			return invalid("%w", err)
		}
	case *wirepb.AgentMessage_Heartbeat:
		beat := dialogue.Beat{}
		if !bytesTo(beat.Report[:], b.Heartbeat.ReportDigest) || !bytesTo(beat.Holds[:], b.Heartbeat.AssignmentDigest) {
			return invalid("a heartbeat's digests are of another length")
		}
		e.heartbeat(beat)
	case *wirepb.AgentMessage_Refused:
		e.refused(nodes.Version{Epoch: b.Refused.Epoch, Serial: b.Refused.Serial}, nodes.CutText(b.Refused.Why))
	default:
		return invalid("a message of an unknown kind")
	}
	return nil
}

// told has the session's end take something in; its writer asks it too.
func (e *session) told(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// heartbeat does what the comparison asks for.
func (e *session) heartbeat(b dialogue.Beat) {
	a, _ := e.s.cfg.Roster.Parked(e.peer.Name)
	e.mu.Lock()
	r := e.end.Beat(b, &a)
	e.mu.Unlock()
	if r.Answer {
		put(e.answers, uint64(e.seq))
	}
	if r.Resync {
		e.log.Warn("a change was lost: asking for a full report")
		e.tell(&wirepb.ServerMessage{Body: &wirepb.ServerMessage_Resync{Resync: &wirepb.Resync{}}})
	}
	if r.Again {
		select {
		case e.again <- struct{}{}:
		default:
		}
	}
}

func invalid(format string, args ...any) error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, args...))
}

// bytesTo fills to with from; false where that has another length.
func bytesTo(to, from []byte) bool { return copy(to, from) == len(to) && len(from) == len(to) }
