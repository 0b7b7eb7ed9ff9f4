package wire

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"

	"connectrpc.com/connect"
)

// maxConsoles bounds the consoles of one node; people open them.
const maxConsoles = 64

type attachStream = connect.BidiStreamForClient[wirepb.ConsoleMessage, wirepb.ConsoleMessage]

// openConsole serves a console on a goroutine of its own.
func (u *uplink) openConsole(ctx context.Context, m *wirepb.OpenConsole) {
	var req ConsoleRequest
	err := decodeStrict(m.Request, &req)
	if err == nil && !req.one() {
		err = errors.New("want one of logs, exec and images")
	}
	ctx, cancel := context.WithCancel(ctx)
	u.mu.Lock()
	if len(u.consoles) >= maxConsoles && err == nil {
		err = errors.New("too many consoles are open on this node: close one")
	}
	u.consoles[m.Id] = cancel
	u.mu.Unlock()
	u.work.Go(func() {
		defer u.closeConsole(m.Id)
		a := attach{stream: u.rpc.Console(ctx)}
		a.serve(ctx, cancel, m.Id, func() (int, error) {
			if err != nil {
				return 0, err
			}
			return a.work(ctx, u.node, req)
		})
	})
}

func (u *uplink) closeConsole(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if cancel := u.consoles[id]; cancel != nil {
		cancel()
		delete(u.consoles, id)
	}
}

// attach is one console, seen from the agent.
type attach struct {
	stream *attachStream
	mu     sync.Mutex // stdout and stderr come from two goroutines
	stdin  *buffer
	sizes  chan agent.Size
}

// serve dials, does the work, and tells how it ended. That the server went away
// meanwhile is nobody's trouble.
func (a *attach) serve(ctx context.Context, cancel context.CancelFunc, id string, work func() (int, error)) {
	a.stdin = newBuffer()
	a.sizes = make(chan agent.Size, 1)
	defer closeWhen(ctx, a.stream)()
	defer context.AfterFunc(ctx, func() { a.stdin.end(context.Canceled) })()
	var reader sync.WaitGroup
	if a.send(&wirepb.ConsoleMessage{Body: &wirepb.ConsoleMessage_Id{Id: id}}) == nil {
		reader.Go(func() {
			a.receive()
			cancel()
		})
		code, err := work()
		a.stdin.end(io.EOF)
		end := &wirepb.ConsoleEnd{ExitCode: int32(code)}
		if err != nil {
			end.Error = err.Error()
		}
		_ = a.send(&wirepb.ConsoleMessage{Body: &wirepb.ConsoleMessage_End{End: end}})
		_ = a.stream.CloseRequest()
		a.linger(ctx)
		cancel()
	}
	reader.Wait()
	_ = a.stream.CloseResponse()
}

// linger lets the server read the end before the stream goes: it hangs up when
// it has, which ends ctx.
func (a *attach) linger(ctx context.Context) {
	late := time.NewTimer(consoleWait)
	defer late.Stop()
	select {
	case <-ctx.Done():
	case <-late.C:
	}
}

func (a *attach) work(ctx context.Context, n agent.Node, req ConsoleRequest) (int, error) {
	out := chunks{a, func(b []byte) *wirepb.ConsoleMessage {
		return &wirepb.ConsoleMessage{Body: &wirepb.ConsoleMessage_Stdout{Stdout: b}}
	}}
	switch {
	case req.Logs != nil:
		return 0, n.Logs(ctx, req.Instance, *req.Logs, out)
	case req.Images != nil:
		return 0, req.Images.images(ctx, n, out)
	}
	e := agent.Exec{Command: req.Exec.Command, TTY: req.Exec.TTY, Stdout: out, Resize: a.sizes}
	e.Stderr = chunks{a, func(b []byte) *wirepb.ConsoleMessage {
		return &wirepb.ConsoleMessage{Body: &wirepb.ConsoleMessage_Stderr{Stderr: b}}
	}}
	if req.Exec.Stdin {
		e.Stdin = a.stdin
	}
	return n.Exec(ctx, req.Instance, e)
}

// receive takes input until the server hangs up. It waits where the command
// has not read what came before, which holds back the sender.
func (a *attach) receive() {
	defer a.stdin.end(io.EOF)
	for {
		m, err := a.stream.Receive()
		if err != nil {
			return
		}
		switch b := m.Body.(type) {
		case *wirepb.ConsoleMessage_Stdin:
			_, _ = a.stdin.Write(b.Stdin) // fails once the command has ended
		case *wirepb.ConsoleMessage_StdinClosed:
			a.stdin.end(io.EOF)
		case *wirepb.ConsoleMessage_Resize:
			put(a.sizes, agent.Size{Rows: uint16(b.Resize.Rows), Cols: uint16(b.Resize.Cols)})
		}
	}
}

func (a *attach) send(m *wirepb.ConsoleMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stream.Send(m)
}

// chunks sends what is written to it in messages of a bounded size.
type chunks struct {
	a    *attach
	wrap func([]byte) *wirepb.ConsoleMessage
}

func (c chunks) Write(b []byte) (int, error) {
	for n := 0; n < len(b); n += maxChunk {
		if err := c.a.send(c.wrap(b[n:min(n+maxChunk, len(b))])); err != nil {
			return n, err
		}
	}
	return len(b), nil
}
