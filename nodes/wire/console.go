package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

const (
	// consoleWait is how long an agent may take to dial a console that it was
	// asked for.
	consoleWait = 10 * time.Second
	// maxChunk is how much output one message carries. HTTP/2's flow control
	// bounds how many of them are under way.
	maxChunk = 32 << 10
)

// ConsoleRequest is what a console is to carry: one of Logs, Exec and Images is
// set. Images are asked for only where the agent's Hello says that it knows them.
type ConsoleRequest struct {
	Instance string            `json:"instance"`
	Logs     *agent.LogOptions `json:"logs,omitempty"`
	Exec     *ExecRequest      `json:"exec,omitempty"`
	Images   *ImagesRequest    `json:"images,omitempty"`
}

// one is whether the request is for one thing.
func (r *ConsoleRequest) one() bool {
	n := 0
	for _, set := range []bool{r.Logs != nil, r.Exec != nil, r.Images != nil} {
		if set {
			n++
		}
	}
	return n == 1
}

// ExecRequest is an agent.Exec without its streams.
type ExecRequest struct {
	Command []string `json:"command"`
	TTY     bool     `json:"tty,omitempty"`
	// Stdin is whether there is any.
	Stdin bool `json:"stdin,omitempty"`
}

type consoleStream = connect.BidiStream[wirepb.ConsoleMessage, wirepb.ConsoleMessage]

// console is one that somebody waits for or reads.
type console struct {
	node   string
	cancel context.CancelCauseFunc
	// dialled hands the agent's stream over, once.
	dialled chan *dialled

	mu    sync.Mutex
	taken bool // a stream was handed over, or nobody waits for one
}

// dialled is the agent's stream with its handler's context. The handler returns
// when done is closed; nobody touches the stream after that.
type dialled struct {
	ctx    context.Context
	stream *consoleStream
	done   chan struct{}
}

// Logs copies an instance's output to w until it ends or ctx does. A slow w
// slows the agent down; nothing is buffered without bound. An error of w ends
// it.
func (s *Server) Logs(ctx context.Context, node, instance string, o agent.LogOptions, w io.Writer) error {
	_, err := s.console(ctx, node, ConsoleRequest{Instance: instance, Logs: &o}, agent.Exec{Stdout: w})
	return err
}

// Exec runs a command in an instance and returns its exit code. It returns when
// the command ends, whether or not e.Stdin has; a Read of e.Stdin that is under
// way then is abandoned, so close what is behind it.
func (s *Server) Exec(ctx context.Context, node, instance string, e agent.Exec) (int, error) {
	return s.console(ctx, node, ConsoleRequest{Instance: instance, Exec: &ExecRequest{
		Command: e.Command, TTY: e.TTY, Stdin: e.Stdin != nil,
	}}, e)
}

func (s *Server) console(ctx context.Context, node string, req ConsoleRequest, e agent.Exec) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	id, c, err := s.open(node, cancel, req)
	if err != nil {
		return 0, fmt.Errorf("node %s: %w", node, err)
	}
	d, err := s.await(ctx, c)
	var end *wirepb.ConsoleEnd
	if err == nil {
		end, err = d.carry(ctx, cancel, e)
	}
	s.dismiss(node, id, end != nil)
	if err != nil {
		return 0, fmt.Errorf("node %s: %w", node, err)
	}
	if end.Error != "" {
		return int(end.ExitCode), fmt.Errorf("node %s: %s", node, end.Error)
	}
	return int(end.ExitCode), nil
}

// carry runs the console until the agent tells its end, and lets the agent's
// stream go.
func (d *dialled) carry(ctx context.Context, cancel context.CancelCauseFunc, e agent.Exec) (*wirepb.ConsoleEnd, error) {
	defer close(d.done)
	defer hangUpBoth(ctx, d.ctx)()
	in := &consoleInput{stream: d.stream}
	stop := in.start(e)
	end, err := output(d.stream, e)
	cause := context.Cause(ctx)
	cancel(nil) // what still sends is let go
	stop()
	if cause != nil && end == nil {
		return nil, cause
	}
	return end, err
}

// hangUpBoth ends the use of a handler's stream when the user's ctx ends.
func hangUpBoth(user, handler context.Context) (stop func()) {
	joint, cancel := context.WithCancel(handler)
	unlink := context.AfterFunc(user, cancel)
	hung := hangUpWhen(joint)
	return func() {
		unlink()
		hung()
		cancel()
	}
}

// open asks the node's session for a console.
func (s *Server) open(node string, cancel context.CancelCauseFunc, req ConsoleRequest) (string, *console, error) {
	b, err := json.Marshal(req)
	if err != nil {
		return "", nil, fmt.Errorf("console: %w", err)
	}
	c := &console{node: node, cancel: cancel, dialled: make(chan *dialled, 1)}
	id := randomID()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.sessions[node]
	if e == nil || s.closed {
		return "", nil, errors.New("it is not connected: see `bayplan node ls`")
	}
	if !e.tell(&wirepb.ServerMessage{Body: &wirepb.ServerMessage_OpenConsole{OpenConsole: &wirepb.OpenConsole{Id: id, Request: b}}}) {
		return "", nil, errors.New("it does not keep up with requests: try again")
	}
	s.consoles[id] = c
	return id, c, nil
}

// await is the stream that the agent dials for the console.
func (s *Server) await(ctx context.Context, c *console) (*dialled, error) {
	late := time.NewTimer(consoleWait)
	defer late.Stop()
	select {
	case d := <-c.dialled:
		return d, nil
	case <-ctx.Done():
	case <-late.C:
	}
	c.leave()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return nil, fmt.Errorf("its agent did not open the console within %v", consoleWait)
}

// dismiss takes the console off the list. Unless it has ended the agent is told
// that nobody reads it any more; where the session cannot take the word, its
// end says the same.
func (s *Server) dismiss(node, id string, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.consoles, id)
	if e := s.sessions[node]; e != nil && !ended {
		e.tell(&wirepb.ServerMessage{Body: &wirepb.ServerMessage_CloseConsole{CloseConsole: &wirepb.CloseConsole{Id: id}}})
	}
}

// Console is dialled by an agent. Only the node that was asked may answer (I30).
func (f fleet) Console(ctx context.Context, stream *consoleStream) error {
	if err := f.s.begin(); err != nil {
		return err
	}
	defer f.s.work.Done()
	peer, err := f.s.admit(ctx)
	if err != nil {
		return err
	}
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	d := &dialled{ctx: ctx, stream: stream, done: make(chan struct{})}
	if !f.s.hand(peer.Name, first.GetId(), d) {
		return connect.NewError(connect.CodeNotFound, errors.New("nobody waits for this console"))
	}
	<-d.done
	return nil
}

// hand gives the stream to who waits for it; false if nobody does.
func (s *Server) hand(node, id string, d *dialled) bool {
	s.mu.Lock()
	c := s.consoles[id]
	s.mu.Unlock()
	return c != nil && c.node == node && c.take(d)
}

// take is false for a second stream, and after leave.
func (c *console) take(d *dialled) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken {
		return false
	}
	c.taken = true
	c.dialled <- d
	return true
}

// leave ends the wait for a stream. One that came just before is let go.
func (c *console) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = true
	select {
	case d := <-c.dialled:
		close(d.done)
	default:
	}
}

// output writes what the agent sends until it tells the end.
func output(stream *consoleStream, e agent.Exec) (*wirepb.ConsoleEnd, error) {
	for {
		m, err := stream.Receive()
		if err != nil {
			return nil, fmt.Errorf("the console broke off: %w", err)
		}
		switch b := m.Body.(type) {
		case *wirepb.ConsoleMessage_Stdout:
			err = write(e.Stdout, b.Stdout)
		case *wirepb.ConsoleMessage_Stderr:
			err = write(e.Stderr, b.Stderr)
		case *wirepb.ConsoleMessage_End:
			return b.End, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func write(w io.Writer, b []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(b)
	return err
}
