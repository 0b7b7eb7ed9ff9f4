package wire

import (
	"context"
	"io"
	"sync"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

// consoleInput is the way of stdin and sizes to the agent. After close it sends
// nothing, whoever still tries.
type consoleInput struct {
	mu     sync.Mutex
	stream *consoleStream
	closed bool
}

// start sends what e has to say; stop ends that. A Read of Stdin that is under
// way is left to itself (see Exec), with nothing to send to.
func (c *consoleInput) start(e agent.Exec) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var sizes sync.WaitGroup
	c.first(e.Resize)
	sizes.Go(func() { c.resize(ctx, e.Resize) })
	if e.Stdin != nil {
		go c.copy(e.Stdin)
	}
	return func() {
		cancel()
		sizes.Wait()
		c.close()
	}
}

func (c *consoleInput) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *consoleInput) send(m *wirepb.ConsoleMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return io.ErrClosedPipe
	}
	return c.stream.Send(m)
}

// copy ends with r or the console. What r says at its end other than EOF is
// the same to the command: there is no more.
func (c *consoleInput) copy(r io.Reader) {
	buf := make([]byte, maxChunk)
	for {
		n, err := r.Read(buf)
		if n > 0 && c.send(&wirepb.ConsoleMessage{Body: &wirepb.ConsoleMessage_Stdin{Stdin: buf[:n]}}) != nil {
			return
		}
		if err != nil {
			_ = c.send(&wirepb.ConsoleMessage{Body: &wirepb.ConsoleMessage_StdinClosed{StdinClosed: true}}) // nobody left to tell
			return
		}
	}
}

// first sends the size that is there already, ahead of any input.
func (c *consoleInput) first(sizes <-chan agent.Size) {
	select {
	case z, ok := <-sizes:
		if ok {
			_ = c.size(z) // the reader of output learns why
		}
	default:
	}
}

func (c *consoleInput) size(z agent.Size) error {
	return c.send(&wirepb.ConsoleMessage{Body: &wirepb.ConsoleMessage_Resize{Resize: &wirepb.Resize{
		Rows: uint32(z.Rows), Cols: uint32(z.Cols),
	}}})
}

func (c *consoleInput) resize(ctx context.Context, sizes <-chan agent.Size) {
	for {
		select {
		case <-ctx.Done():
			return
		case z, ok := <-sizes:
			if !ok || c.size(z) != nil {
				return
			}
		}
	}
}
