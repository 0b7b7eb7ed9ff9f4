package wire

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"connectrpc.com/connect"
)

// errOtherCluster is the one thing that a wrong CA can mean.
var errOtherCluster = errors.New("this server belongs to another cluster: its certificate is not of this cluster's CA")

// ErrUnreachable is in the chain of what Join returns where nobody answered:
// there the same line is worth another try.
var ErrUnreachable = errors.New("unreachable")

// refusedCert turns TLS alerts of the server, which come as bare text, into
// what they say about this node's certificate. The alerts are those that
// crypto/tls sends for a client's chain (RFC 8446, 6.2).
var refusedCert = []struct{ alert, means string }{
	{"tls: expired certificate", "has expired"},
	{"tls: unknown certificate authority", "is of another cluster"},
	{"tls: bad certificate", "is not valid"},
	{"tls: certificate required", "was not shown"},
}

// explain is err, which came of talking to the server at addr, as one cause and
// the next thing to do.
func explain(addr string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errOtherCluster) || errors.As(err, new(x509.UnknownAuthorityError)) {
		return fmt.Errorf("server %s: %w", addr, errOtherCluster)
	}
	for _, r := range refusedCert {
		if strings.Contains(err.Error(), "remote error: "+r.alert) {
			return fmt.Errorf("server %s refuses this node: its certificate %s; make a join line with `bayplan node token` and join again", addr, r.means)
		}
	}
	var inv x509.CertificateInvalidError
	if errors.As(err, &inv) && inv.Reason == x509.Expired {
		return fmt.Errorf("server %s: its certificate is not valid now: compare the clocks of both machines: %w", addr, err)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("server %s is %w: %w", addr, ErrUnreachable, op.Err)
	}
	var rpc *connect.Error
	if errors.As(err, &rpc) && connect.IsWireError(err) {
		return fmt.Errorf("server %s: %s", addr, rpc.Message())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("server %s is %w: it does not answer", addr, ErrUnreachable)
	}
	return fmt.Errorf("server %s: %w", addr, err)
}

// broke is whether err is of a connection that ended without a reason.
func broke(err error) bool {
	var rpc *connect.Error
	if !errors.As(err, &rpc) || connect.IsWireError(err) {
		return false
	}
	if errors.Is(err, errOtherCluster) || errors.As(err, new(x509.UnknownAuthorityError)) {
		return false
	}
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}
