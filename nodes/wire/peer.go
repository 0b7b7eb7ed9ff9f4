package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"
)

// Role is what a certificate lets its holder do.
type Role string

// The roles of clients.
const (
	RoleNode     Role = "node"
	RoleOperator Role = "operator"
)

// Identity is who calls: what a certificate of the cluster's CA says, and
// nothing that the caller says itself (I30).
type Identity struct {
	Role Role
	Name string
	// Key is the SHA-256 of the certificate's public key in hex. It stays the
	// same when the certificate is renewed, and differs where another machine
	// joined under the same name.
	Key string
	// Expires is when the certificate does.
	Expires time.Time
}

// ErrNoCertificate is a caller that showed no certificate.
var ErrNoCertificate = errors.New("this needs a client certificate of the cluster")

// PeerOf is the identity behind a connection whose certificate TLS has
// verified against the cluster's CA.
func PeerOf(state *tls.ConnectionState) (Identity, error) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return Identity{}, ErrNoCertificate
	}
	leaf := state.VerifiedChains[0][0]
	if len(leaf.Subject.OrganizationalUnit) != 1 || leaf.Subject.CommonName == "" {
		return Identity{}, errors.New("the client certificate names no role")
	}
	role := Role(leaf.Subject.OrganizationalUnit[0])
	if role != RoleNode && role != RoleOperator {
		return Identity{}, fmt.Errorf("the client certificate names the role %q", role)
	}
	return Identity{role, leaf.Subject.CommonName, keyOf(leaf), leaf.NotAfter}, nil
}

type callKey struct{}

// call is what Identify knows of a request.
type call struct {
	peer Identity
	err  error
	ctl  *http.ResponseController
}

// Identify puts the caller's identity into each request's context, for
// [RequireRole] and [PeerFrom]. [NewHTTPServer] does it for all its handlers.
func Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{ctl: http.NewResponseController(w)}
		c.peer, c.err = PeerOf(r.TLS)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
	})
}

// PeerFrom is the caller's identity; an error where it has none.
func PeerFrom(ctx context.Context) (Identity, error) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return Identity{}, ErrNoCertificate
	}
	return c.peer, c.err
}

// RequireRole lets only callers of one role reach a Connect handler, unary and
// streaming alike, and refuses others before a message of theirs is read.
func RequireRole(role Role) connect.HandlerOption {
	return connect.WithRequestGate(func(ctx context.Context, _ connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
		peer, err := PeerFrom(ctx)
		if err != nil {
			return ctx, connect.NewError(connect.CodeUnauthenticated, err)
		}
		if peer.Role != role {
			return ctx, connect.NewError(connect.CodePermissionDenied,
				fmt.Errorf("%s %s: this is open to the role %q only", peer.Role, peer.Name, role))
		}
		return ctx, nil
	})
}

// hangUpWhen makes the handler's present and later reads fail at once when ctx
// ends, and its writes soon: time enough to say why, not enough to be held up
// by a peer that does not listen. The handler calls stop before it returns, for
// its connection is not its own after that.
func hangUpWhen(ctx context.Context) (stop func()) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return func() {}
	}
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		now := time.Now()
		// Both can only fail where the stream is over, which is what is asked for.
		_ = c.ctl.SetReadDeadline(now)
		_ = c.ctl.SetWriteDeadline(now.Add(500 * time.Millisecond))
	})
	return func() {
		if !cancel() {
			<-done
		}
	}
}
