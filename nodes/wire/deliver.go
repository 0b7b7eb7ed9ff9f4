package wire

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/dialogue"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

// write sends the Welcome, then the newest Assignment whenever there is one,
// and control messages as they come.
func (e *session) write(ctx context.Context) error {
	var seq dialogue.Count
	send := func(m *wirepb.ServerMessage) error {
		m.Seq = seq.Next()
		return e.stream.Send(m)
	}
	err := send(&wirepb.ServerMessage{Body: &wirepb.ServerMessage_Welcome{Welcome: &wirepb.Welcome{
		Run: e.s.run, HeartbeatMs: uint32(e.s.cfg.Heartbeat.Milliseconds()), Cluster: e.s.cfg.CA.Cluster(),
	}}})
	var told *nodes.Settings
	var answer uint64 // 0 is none
	for again := false; err == nil; {
		a, newer := e.s.cfg.Roster.Parked(e.peer.Name)
		// They are no older than the Assignment, which may need them.
		settings, resettled := e.s.cfg.Roster.Settings()
		if settings != told {
			told = settings
			if err = e.settle(settings, send); err != nil {
				return err
			}
		}
		if m := e.assignment(a, again); m != nil {
			if err = send(m); err != nil {
				return err
			}
		}
		if answer > 0 {
			if err = send(heard(answer, a.Version)); err != nil {
				return err
			}
		}
		again, answer = false, 0
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-newer:
		case <-e.look:
		case <-resettled:
		case <-e.again:
			again = true
		case answer = <-e.answers:
		case m := <-e.control:
			err = send(m)
		}
	}
	return err
}

func heard(seq uint64, newest nodes.Version) *wirepb.ServerMessage {
	return &wirepb.ServerMessage{Body: &wirepb.ServerMessage_Heard{Heard: &wirepb.Heard{Seq: seq, Epoch: newest.Epoch, Serial: newest.Serial}}}
}

func (e *session) settle(s *nodes.Settings, send func(*wirepb.ServerMessage) error) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	return send(&wirepb.ServerMessage{Body: &wirepb.ServerMessage_Settings{Settings: &wirepb.Settings{Json: b}}})
}

// assignment is the message that delivers a; nil where it was delivered, or
// cannot be.
func (e *session) assignment(a nodes.Assignment, again bool) *wirepb.ServerMessage {
	e.mu.Lock()
	due := e.end.Delivers(a.Version, again)
	e.mu.Unlock()
	if !due {
		return nil
	}
	m, err := e.encode(&a)
	if err == nil && proto.Size(m)+16 > e.s.cfg.MaxMessage {
		err = fmt.Errorf("the Assignment has %d bytes, over the limit of %d", proto.Size(m), e.s.cfg.MaxMessage)
	}
	if err != nil {
		e.refused(a.Version, err.Error())
		return nil
	}
	return m
}

// encode writes an Assignment in the way that the agent takes.
func (e *session) encode(a *nodes.Assignment) (*wirepb.ServerMessage, error) {
	if e.shared {
		m, err := share(a, maxWhole*e.s.cfg.MaxMessage)
		return &wirepb.ServerMessage{Body: &wirepb.ServerMessage_SharedAssignment{SharedAssignment: m}}, err
	}
	b, err := json.Marshal(a)
	return &wirepb.ServerMessage{Body: &wirepb.ServerMessage_Assignment{Assignment: b}}, err
}

func (e *session) refused(v nodes.Version, why string) {
	e.log.Error("assignment refused", "epoch", v.Epoch, "serial", v.Serial, "why", why)
	e.s.cfg.Roster.Refused(e.peer.Name, v, why)
}

// tell queues a control message; false if the node does not keep up.
func (e *session) tell(m *wirepb.ServerMessage) bool {
	select {
	case e.control <- m:
		return true
	default:
		return false
	}
}
