package wire

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// dialFunc opens the connection below TLS.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

var dialTCP dialFunc = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext

// link is one HTTP/2 connection to the server, or what a short series of them
// needs. Closing it closes them, whatever they carry: nothing outlives it.
type link struct {
	client *http.Client
	tls    *tls.Config
	dial   dialFunc

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
}

func newLink(t *tls.Config, dial dialFunc) *link {
	l := &link{tls: t, dial: dial}
	var h2 http.Protocols
	h2.SetHTTP2(true)
	l.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig:     t,
		TLSHandshakeTimeout: 5 * time.Second,
		Protocols:           &h2,
		HTTP2:               http2Config(),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return c, l.keep(c)
		},
	}}
	return l
}

// keep remembers c to be closed; where the link is closed already it is closed
// at once.
func (l *link) keep(c net.Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return net.ErrClosed
	}
	l.conns = append(l.conns, c)
	return nil
}

func (l *link) close() {
	l.client.CloseIdleConnections()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, c := range l.conns {
		_ = c.Close() // HTTP/2 may have closed it before
	}
}

// probeWait bounds the question why a connection broke.
const probeWait = 5 * time.Second

// explain is err as one cause and the next thing to do. A server that refuses a
// certificate says so only after the client's handshake is done (RFC 8446,
// 4.4.2.4), and HTTP/2 loses the word in its own fall: so where a connection
// broke without a reason, ask once more by listening only.
func (l *link) explain(ctx context.Context, addr string, err error) error {
	if !broke(err) {
		return explain(addr, err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	if reason := l.probe(ctx, addr); reason != nil && ctx.Err() == nil {
		err = reason
	}
	return explain(addr, err)
}

// probe is what stands against a connection now; nil if nothing does.
func (l *link) probe(ctx context.Context, addr string) error {
	raw, err := l.dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Now()) })()
	c := tls.Client(raw, l.tls)
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	// A server that accepts begins HTTP/2 unasked.
	_, err = c.Read(make([]byte, 1))
	return err
}
