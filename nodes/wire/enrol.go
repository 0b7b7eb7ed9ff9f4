package wire

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

// enrolment is the service that needs no certificate.
type enrolment struct{ s *Server }

// Join looks at everything that can be wrong before it takes the token, so that
// a mistake does not use it up, and gives it back where the join could not be
// recorded: nobody got a certificate for it.
func (e enrolment) Join(ctx context.Context, req *connect.Request[wirepb.JoinRequest]) (*connect.Response[wirepb.JoinResponse], error) {
	s, node := e.s, req.Msg.Node
	log := s.cfg.Log.With("node", node, "from", req.Peer().Addr)
	if err := CheckNodeName(node); err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	csr, err := parseCSR(req.Msg.Csr)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if err := s.takeToken(ctx, req.Msg.Token); err != nil {
		log.Warn("join refused", "err", err)
		return nil, err
	}
	joined := Enrolled{Node: node, Key: csrKey(csr), From: req.Peer().Addr, At: s.cfg.Now()}
	if s.cfg.Enrolled != nil {
		if err := s.cfg.Enrolled(ctx, joined); err != nil {
			s.giveBack(req.Msg.Token)
			return nil, notEnrolled(err, log)
		}
	}
	s.takeName(joined, log)
	return s.certify(csr, node)
}

func notEnrolled(err error, log *slog.Logger) error {
	if errors.Is(err, nodes.ErrNameHeld) {
		log.Warn("join refused", "err", err)
		return connect.NewError(connect.CodeAlreadyExists, err)
	}
	log.Error("join not recorded", "err", err)
	return connect.NewError(connect.CodeUnavailable, fmt.Errorf("recording the join: %w", err))
}

func (s *Server) takeToken(ctx context.Context, token string) error {
	hash := TokenHash(token)
	if s.takeBack(hash) {
		return nil
	}
	err := s.cfg.Tokens.TakeToken(ctx, hash, s.cfg.Now())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nodes.ErrTokenUnknown), errors.Is(err, nodes.ErrTokenUsed), errors.Is(err, nodes.ErrTokenExpired):
		return connect.NewError(connect.CodePermissionDenied, fmt.Errorf("%w; make a new one with `bayplan node token`", err))
	}
	return connect.NewError(connect.CodeUnavailable, fmt.Errorf("looking up the token: %w; try again", err))
}

// givenBack is how long a token that was given back stays good, in this run of
// the server: whoever keeps the tokens may be what did not answer.
const givenBack = 10 * time.Minute

func (s *Server) giveBack(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	maps.DeleteFunc(s.unspent, func(_ string, until time.Time) bool { return now.After(until) })
	s.unspent[TokenHash(token)] = now.Add(givenBack)
}

// takeBack uses up a token that was given back; of two callers at most one is
// told true.
func (s *Server) takeBack(hash string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.unspent[hash]
	delete(s.unspent, hash)
	return ok && !s.cfg.Now().After(until)
}

// takeName gives the name to the key that joined last.
func (s *Server) takeName(j Enrolled, log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[j.Node] = j.Key
	old := s.sessions[j.Node]
	again := old != nil && old.peer.Key != j.Key
	if again {
		s.drop(j.Node, connect.NewError(connect.CodePermissionDenied, errors.New("another machine joined under this name")))
	}
	log.Info("joined", "replaced", again)
}

// certify answers with a certificate of the name for the request's key.
func (s *Server) certify(csr *x509.CertificateRequest, node string) (*connect.Response[wirepb.JoinResponse], error) {
	cert, err := s.cfg.CA.signNode(csr, node, s.cfg.NodeLife, s.cfg.Now())
	if err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	return connect.NewResponse(&wirepb.JoinResponse{
		Certificate: cert, Ca: s.cfg.CA.PEM(), Cluster: s.cfg.CA.Cluster(), Node: node,
	}), nil
}

// Renew gives a certificate of the same name for the same key: who holds a
// node's connection for a moment cannot take its name away with it.
func (f fleet) Renew(ctx context.Context, req *connect.Request[wirepb.RenewRequest]) (*connect.Response[wirepb.JoinResponse], error) {
	peer, err := f.s.admit(ctx)
	if err != nil {
		return nil, err
	}
	csr, err := parseCSR(req.Msg.Csr)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if csrKey(csr) != peer.Key {
		return nil, connect.NewError(connect.CodePermissionDenied, errors.New("a renewal is for the key of the present certificate"))
	}
	f.s.cfg.Log.Info("certificate renewed", "node", peer.Name)
	return f.s.certify(csr, peer.Name)
}

func csrKey(csr *x509.CertificateRequest) string {
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}
