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

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
}

func newLink(t *tls.Config, dial dialFunc) *link {
	l := &link{}
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
