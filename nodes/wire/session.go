package wire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes/dialogue"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

// fleet is the service for nodes.
type fleet struct{ s *Server }

type sessionStream = connect.BidiStream[wirepb.AgentMessage, wirepb.ServerMessage]

// session is one node's connection. Its handler's goroutine reads; one other
// writes, and is the only one to touch what stands below it.
type session struct {
	s      *Server
	peer   Identity
	log    *slog.Logger
	stream *sessionStream
	cancel context.CancelCauseFunc
	// done is closed when the session delivers nothing more.
	done chan struct{}
	// shared is whether the agent takes SharedAssignments.
	shared bool
	// images is whether its consoles tell of images.
	images bool
	// answers has the number of the newest heartbeat that is to be answered.
	answers chan uint64

	// control carries what is neither report nor Assignment. It is bounded:
	// where it is full the node does not listen.
	control chan *wirepb.ServerMessage
	// again asks the writer to send the Assignment once more.
	again chan struct{}
	// look asks it whether the Assignment is to be sent by now.
	look chan struct{}

	// mu guards end, which the reader and the writer use.
	mu  sync.Mutex
	end *dialogue.Server

	// The reader's own.
	watch *time.Timer // ends a session that says nothing
	seq   dialogue.Count
}

// controlQueue is how many consoles may be asked for faster than a node's
// connection takes them.
const controlQueue = 32

// Session serves one node until either side ends it.
func (f fleet) Session(ctx context.Context, stream *sessionStream) error {
	if err := f.s.begin(); err != nil {
		return err
	}
	defer f.s.work.Done()
	peer, err := f.s.admit(ctx)
	if err != nil {
		f.s.cfg.Log.Warn("session refused", "node", peer.Name, "err", err)
		return err
	}
	ctx, end := context.WithDeadlineCause(ctx, time.Now().Add(peer.Expires.Sub(f.s.cfg.Now())), errExpired)
	defer end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e := &session{
		s: f.s, peer: peer, stream: stream, cancel: cancel, log: f.s.cfg.Log.With("node", peer.Name),
		done: make(chan struct{}), control: make(chan *wirepb.ServerMessage, controlQueue), again: make(chan struct{}, 1), look: make(chan struct{}, 1),
		answers: make(chan uint64, 1),
	}
	defer hangUpWhen(ctx)()
	e.watch = time.AfterFunc(e.silence(), func() { cancel(errSilent) })
	defer e.watch.Stop()
	if err := e.hello(); err != nil {
		return e.ended(ctx, err)
	}
	if err := f.s.enter(ctx, e); err != nil {
		return e.ended(ctx, err)
	}
	defer f.s.leave(e)
	// It may have been revoked before there was a session to disconnect.
	if _, err := f.s.admit(ctx); err != nil {
		return e.ended(ctx, err)
	}
	return e.ended(ctx, e.serve(ctx))
}

var (
	errExpired  = connect.NewError(connect.CodeUnauthenticated, errors.New("the node's certificate has expired"))
	errSilent   = connect.NewError(connect.CodeDeadlineExceeded, errors.New("the agent's session is silent"))
	errReplaced = connect.NewError(connect.CodeAborted, errors.New("a newer session of this node took over"))
)

// silence is how long a connection may stand without a message: the node has
// long been unreachable by then, and the agent dials anew.
func (e *session) silence() time.Duration { return max(4*e.s.cfg.Heartbeat, 10*time.Second) }

// hello is the agent's first message.
func (e *session) hello() error {
	m, err := e.receive()
	if err != nil {
		return err
	}
	h := m.GetHello()
	if h == nil {
		return invalid("the first message is no hello")
	}
	if h.Protocol != Protocol {
		return connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf(
			"the agent (%s) speaks protocol %d, this server %d: upgrade the older of the two", h.Version, h.Protocol, Protocol))
	}
	e.shared = h.Shared && !e.s.cfg.plain
	e.images = h.Images
	e.end = dialogue.NewServer(e.peer.Name, e.s.cfg.Roster, h.Leases && !e.s.cfg.plain)
	return nil
}

// enter makes e the node's session, after the one before has ended.
func (s *Server) enter(ctx context.Context, e *session) error {
	for {
		s.mu.Lock()
		old := s.sessions[e.peer.Name]
		if old == nil && !s.closed {
			s.sessions[e.peer.Name] = e
		}
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return errStopping
		}
		if old == nil {
			return nil
		}
		old.cancel(errReplaced)
		select {
		case <-old.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Server) leave(e *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, e.peer.Name)
	close(e.done)
}

// serve reads here and writes beside, until one of both ends.
func (e *session) serve(ctx context.Context) error {
	e.log.Info("node connected", "run", e.s.run)
	var writer sync.WaitGroup
	writer.Go(func() { e.cancel(e.write(ctx)) })
	e.cancel(e.read())
	writer.Wait()
	return context.Cause(ctx)
}

// ended is what the node is told of why its session ended; the first cause
// counts, for what follows comes of hanging up.
func (e *session) ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	switch code := connect.CodeOf(err); {
	case errors.Is(err, io.EOF):
		e.log.Info("node left")
		return nil
	case errors.Is(err, context.Canceled), code == connect.CodeCanceled:
		e.log.Info("node disconnected")
	case code == connect.CodeResourceExhausted:
		e.log.Error("message over the limit", "limit", e.s.cfg.MaxMessage, "err", err)
		err = connect.NewError(connect.CodeResourceExhausted,
			fmt.Errorf("a message is over the limit of %d bytes: %w", e.s.cfg.MaxMessage, err))
	default:
		e.log.Warn("session ended", "err", err)
	}
	return err
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
