package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/dialogue"
	"github.com/bayplan/bayplan/nodes/wire/wirepb/wirepbconnect"
)

// Tokens keeps join tokens by their hash, durably.
type Tokens interface {
	// PutToken makes a token good until expires.
	PutToken(ctx context.Context, hash string, expires time.Time) error
	// TakeToken uses a token up, in one step: of two callers at most one gets
	// nil. It answers [nodes.ErrTokenUnknown], [nodes.ErrTokenUsed] or
	// [nodes.ErrTokenExpired]; any other error means that it could not look.
	TakeToken(ctx context.Context, hash string, now time.Time) error
}

// Roster is the server's memory of its nodes; nodes/roster has the real one.
// Its calls must not block: sessions make them while they read.
type Roster interface {
	dialogue.Roster
	// Parked is the newest Assignment, with a channel that is closed once a
	// newer one is there. A zero Version is none.
	Parked(node string) (nodes.Assignment, <-chan struct{})
	// Settings are what holds for every node, nil while that is not known, with
	// a channel that is closed once there are others.
	Settings() (*nodes.Settings, <-chan struct{})
}

// Enrolled is one join, as the record wants it (I39).
type Enrolled struct {
	Node string
	// Key is [Identity.Key] of the certificate that was given.
	Key string
	// From is the address that asked.
	From string
	At   time.Time
}

// ServerConfig is what a Server needs; CA, Tokens and Roster must be set.
type ServerConfig struct {
	CA     *CA
	Tokens Tokens
	Roster Roster
	// Enrolled, if set, is called before a certificate is handed out; an error
	// keeps it back, and the token stays good. It is where the caller records
	// who joined, and refuses with [nodes.ErrNameHeld] who asks for the name of
	// another that is there.
	Enrolled func(context.Context, Enrolled) error
	// Admit, if set, may refuse a node that its certificate would let in: one
	// that was revoked, or whose name has been joined with another key since.
	Admit func(context.Context, Identity) error
	// NodeLife is how long node certificates are valid; zero is
	// DefaultNodeLife.
	NodeLife time.Duration
	// Heartbeat is how often nodes say that they live; zero is
	// DefaultHeartbeat.
	Heartbeat time.Duration
	// MaxMessage bounds messages in bytes; zero is MaxMessage.
	MaxMessage int
	// Now is the clock of certificates and tokens; nil is time.Now.
	Now func() time.Time
	// Log is where refusals and comings and goings are told; nil is nowhere.
	Log *slog.Logger

	// plain makes a server of it that knows no SharedAssignment.
	plain bool
}

func (c *ServerConfig) fill() {
	if c.NodeLife == 0 {
		c.NodeLife = DefaultNodeLife
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = MaxMessage
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Server is the server's end of the protocol. A node has one session at a time:
// a newer one ends the older, and takes over only once that has ended.
//
// A node may join again under its name, with a fresh token: a machine that was
// installed anew is the usual reason. Unless Enrolled refuses it, the newest key
// wins. The session of the former key ends, and in this run of the server it is
// not let in again; to keep it out for good is Admit's matter.
type Server struct {
	cfg ServerConfig
	// run names this run of the server.
	run string

	mu       sync.Mutex
	closed   bool
	sessions map[string]*session
	consoles map[string]*console
	// keys are of the nodes that joined in this run.
	keys map[string]string
	// unspent are tokens that were given back, by hash, and until when they are
	// good.
	unspent map[string]time.Time
	work    sync.WaitGroup
}

// NewServer makes a Server; mount it with [Server.Mount].
func NewServer(cfg ServerConfig) *Server {
	cfg.fill()
	return &Server{
		cfg: cfg, run: randomID(),
		sessions: map[string]*session{}, consoles: map[string]*console{}, keys: map[string]string{},
		unspent: map[string]time.Time{},
	}
}

// Mount adds the two services to mux, which must be served by [NewHTTPServer]
// (or behind [Identify]).
func (s *Server) Mount(mux *http.ServeMux) {
	mux.Handle(wirepbconnect.NewEnrolmentHandler(enrolment{s}, connect.WithReadMaxBytes(maxEnrolment)))
	mux.Handle(wirepbconnect.NewFleetHandler(fleet{s}, RequireRole(RoleNode), connect.WithReadMaxBytes(s.cfg.MaxMessage)))
}

// Connected is whether the node has a session now.
func (s *Server) Connected(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[node] != nil
}

// Disconnect ends the node's session and consoles within a second (I31), and
// returns once nothing of the session reaches the Roster any more. The node
// comes back unless Admit refuses it.
func (s *Server) Disconnect(node, why string) {
	s.mu.Lock()
	old := s.sessions[node]
	s.drop(node, connect.NewError(connect.CodePermissionDenied, errors.New(why)))
	s.mu.Unlock()
	if old != nil {
		<-old.done
	}
}

// drop ends what a node has open; s.mu is held.
func (s *Server) drop(node string, cause error) {
	if old := s.sessions[node]; old != nil {
		old.cancel(cause)
	}
	for _, c := range s.consoles {
		if c.node == node {
			c.cancel(cause)
		}
	}
}

// Close ends every session and console, refuses new ones, and returns when all
// their handlers have.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for node := range s.sessions {
		s.drop(node, errStopping)
	}
	for _, c := range s.consoles {
		c.cancel(errStopping)
	}
	s.mu.Unlock()
	s.work.Wait()
}

var errStopping = connect.NewError(connect.CodeUnavailable, errors.New("the server is stopping"))

// begin counts a handler in, unless the server is closed. The caller calls
// s.work.Done.
func (s *Server) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errStopping
	}
	s.work.Add(1)
	return nil
}

// admit is who calls, if it may.
func (s *Server) admit(ctx context.Context) (Identity, error) {
	peer, err := PeerFrom(ctx)
	if err != nil {
		return peer, connect.NewError(connect.CodeUnauthenticated, err)
	}
	s.mu.Lock()
	key, ok := s.keys[peer.Name]
	s.mu.Unlock()
	if ok && key != peer.Key {
		return peer, connect.NewError(connect.CodePermissionDenied,
			fmt.Errorf("another machine joined as %s since; make a join line with `bayplan node token` and join under another name", peer.Name))
	}
	if s.cfg.Admit == nil {
		return peer, nil
	}
	if err := s.cfg.Admit(ctx, peer); err != nil {
		return peer, connect.NewError(connect.CodePermissionDenied, err)
	}
	return peer, nil
}
