package client

import (
	"context"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/reconciler/serve/controlpb/controlpbconnect"
)

const (
	// dialPatience is how long a server may take to accept a connection.
	dialPatience = 5 * time.Second
	// callPatience bounds one question. A plan may wait for a registry.
	callPatience = 60 * time.Second
	// silence is how long a stream may say nothing before the connection is
	// tested, so that a server that vanished is noticed.
	silence = 15 * time.Second
	// maxAnswer bounds one document: the status of twenty thousand slots is a
	// fifth of it.
	maxAnswer = 64 << 20
)

// Client is a connection to one server; it dials at the first call.
type Client struct {
	controlpbconnect.ControlClient
	transport *http.Transport
}

// Dial prepares a connection from flags and environment.
func (c Config) Dial() (*Client, error) {
	u, conf, err := c.Filled().read()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: dialPatience,
		DialContext:         (&net.Dialer{Timeout: dialPatience}).DialContext,
		Protocols:           new(http.Protocols),
		HTTP2:               &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: dialPatience},
	}
	t.Protocols.SetHTTP2(true)
	return &Client{
		ControlClient: controlpbconnect.NewControlClient(&http.Client{Transport: t}, u.Scheme+"://"+u.Host,
			connect.WithReadMaxBytes(maxAnswer), connect.WithInterceptors(refusal{portOf(u.Host), conf}, connect.UnaryInterceptorFunc(patient))),
		transport: t,
	}, nil
}

// Close lets the connection go.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// patient bounds a call that has no deadline of its own.
func patient(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, callPatience)
			defer cancel()
		}
		return next(ctx, r)
	}
}
