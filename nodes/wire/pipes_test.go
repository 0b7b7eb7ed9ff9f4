package wire

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// pipes is a network in memory, for tests whose clock is not real.
type pipes struct {
	accept chan net.Conn
	done   chan struct{}
	close  sync.Once

	mu    sync.Mutex
	conns []*pipeConn
}

func newPipes() *pipes { return &pipes{accept: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe:1" }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	a, b := net.Pipe()
	near, far := &pipeConn{Conn: a}, &pipeConn{Conn: b}
	p.mu.Lock()
	p.conns = append(p.conns, near, far)
	p.mu.Unlock()
	select {
	case p.accept <- far:
		return near, nil
	case <-p.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: io.ErrClosedPipe}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cut makes all present connections dead: what is sent vanishes, and nobody is
// told.
func (p *pipes) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.dead.Store(true)
	}
}

type pipeConn struct {
	net.Conn
	dead atomic.Bool
}

func (c *pipeConn) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}
