package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

// refusal finds out whether a call that nobody answered was refused for its
// certificate. In TLS 1.3 a client may send before the server has looked at its
// certificate, so the refusal often shows only as a broken connection; asked
// once more, without a hurry to send, the server says it.
type refusal struct {
	address string
	tls     *tls.Config
}

// WrapUnary looks at the error of a call.
func (r refusal) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, q connect.AnyRequest) (connect.AnyResponse, error) {
		a, err := next(ctx, q)
		return a, r.mend(ctx, err)
	}
}

// WrapStreamingClient looks at the error that a stream ends with.
func (r refusal) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, s connect.Spec) connect.StreamingClientConn {
		return mendedStream{next(ctx, s), ctx, r}
	}
}

// WrapStreamingHandler is the server's side, which has nothing to mend.
func (r refusal) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

type mendedStream struct {
	connect.StreamingClientConn
	ctx context.Context
	refusal
}

func (s mendedStream) Receive(m any) error {
	err := s.StreamingClientConn.Receive(m)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return s.mend(s.ctx, err)
}

func (r refusal) mend(ctx context.Context, err error) error {
	var c *connect.Error
	if !errors.As(err, &c) || connect.IsWireError(err) || ctx.Err() != nil || exit.CodeOf(unanswered(c)) != exit.Unreachable {
		return err
	}
	if why := r.probe(ctx); why != "" {
		return &exit.Error{Code: exit.Unreachable, Err: errors.New("the server refuses this certificate ($" + EnvCert + "): " + why), Next: "bayplan doctor"}
	}
	return err
}

// probe is the server's word about the certificate; "" where it has none.
func (r refusal) probe(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	conf := r.tls.Clone()
	conf.NextProtos = []string{"h2"}
	raw, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", r.address)
	if err != nil {
		return ""
	}
	defer raw.Close()
	deadline, _ := ctx.Deadline()
	if raw.SetReadDeadline(deadline) != nil {
		return ""
	}
	_, err = raw.Read(make([]byte, 1))
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

// portOf adds https's own port to an address without one.
func portOf(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "443")
}
