package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb/controlpbconnect"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// MaxMessage bounds what a client may send in one message: a Spec of some ten
// thousand workloads fits, an attack on memory does not.
const MaxMessage = 32 << 20

// Cluster is what the loop publishes. What it returns is shared and must not be
// changed. An error that wraps one of containerd/errdefs' kinds gets the
// matching code; its text goes to the user as it is.
type Cluster interface {
	// Status is the newest, and a channel that is closed once a newer is there.
	Status() (*status.Status, <-chan struct{})
	// Events are the newest last recorded ones (0 is all that are kept), oldest
	// first, and the position after them.
	Events(last int) ([]status.Event, uint64)
	// EventsAfter are those recorded after pos as far as they are kept, the
	// position after them, and a channel that is closed once there are more.
	EventsAfter(pos uint64) ([]status.Event, uint64, <-chan struct{})
	// Preview answers what head, of a repository ("" is the operators'), would change,
	// compared with base or, where that is nil, with the cluster as it is.
	Preview(ctx context.Context, repo string, base *schema.Spec, head schema.Spec) (*status.Preview, error)
	// PreviewAndPin is Preview, and records that the actor approved it.
	PreviewAndPin(ctx context.Context, repo string, base *schema.Spec, head schema.Spec, actor string) (*status.Preview, error)
	// Snapshot is the state that a Preview is decided on.
	Snapshot(context.Context) (*status.Recording, error)
	// Explain tells why a slot is where it is, or nowhere.
	Explain(context.Context, schema.Slot) (*status.Explanation, error)
	// Moves are the slots that would be better placed elsewhere, budget at most.
	Moves(ctx context.Context, budget int) (*status.Moves, error)
	// History tells what became of commits and of a workload's rollouts; "" is of
	// all.
	History(ctx context.Context, workload string) (*status.History, error)
	// Approve lets a held commit through and returns its full hash; commit may
	// be a prefix of it, after the repository's name and a colon.
	Approve(ctx context.Context, commit, actor string) (full string, err error)
	// Operate grants what an operator asks for and records it, or tells why not.
	Operate(context.Context, reconciler.Wish) (reconciler.Granted, error)
	// RemoveNode takes a node out of the cluster and ends what it has open;
	// unless force is set not while it is heard, has work or holds volumes.
	RemoveNode(ctx context.Context, node string, force bool, actor string) error
	// Note records what an operator is about to do that no decision tells of;
	// node may be "". It returns once that is recorded (I39).
	Note(ctx context.Context, node, actor, text string) error
}

// Consoles reaches the containers of a node through the session that its agent
// keeps.
type Consoles interface {
	// Logs writes an instance's output; with Follow until it ends or ctx does.
	Logs(ctx context.Context, node, instance string, o agent.LogOptions, w io.Writer) error
	// Exec runs a command in an instance and returns its exit code.
	Exec(ctx context.Context, node, instance string, e agent.Exec) (int, error)
	// Images and PruneImages are agent.Images of a node.
	Images(ctx context.Context, node string) ([]nodes.Image, error)
	PruneImages(ctx context.Context, node string, unusedFor time.Duration) (nodes.Pruned, error)
}

// Joiner makes the line that is typed on a new node, with a one-time token.
type Joiner interface {
	// JoinLine records the actor who asked with the token (I39).
	JoinLine(ctx context.Context, ttl time.Duration, actor string) (line string, expires time.Time, err error)
}

// Config is what the API stands on.
type Config struct {
	Cluster  Cluster
	Consoles Consoles
	Joiner   Joiner
	// Identity names who calls, by the certificate of the request; "" refuses
	// the call.
	Identity func(*http.Request) string
	// Name is the cluster's, Version the server's.
	Name, Version string
	// Source and Branch are what the server follows, without credentials.
	Source, Branch string
	// Grants are the privileges that workloads may have.
	Grants schema.Grants
	// Log takes what a user cannot see, such as a handler's panic; nil is
	// slog's default.
	Log *slog.Logger
	// Interceptors see every call, the first outermost.
	Interceptors []connect.Interceptor
}

// New is the API as a handler and the path that it answers under. Streams last
// as long as their request's context: give the http.Server a BaseContext that
// ends with the server.
func New(c Config) (path string, h http.Handler) {
	if c.Cluster == nil || c.Consoles == nil || c.Joiner == nil || c.Identity == nil {
		panic("serve: Config wants Cluster, Consoles, Joiner and Identity")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &server{Config: c}
	path, inner := controlpbconnect.NewControlHandler(s,
		connect.WithReadMaxBytes(MaxMessage),
		connect.WithRecover(s.recovered),
		connect.WithInterceptors(c.Interceptors...))
	return path, s.admit(inner)
}

// server answers the calls; it has no state but a cache of the newest status.
type server struct {
	Config
	newest statusText
}

// Info names the cluster.
func (s *server) Info(context.Context, *connect.Request[controlpb.InfoRequest]) (*connect.Response[controlpb.InfoResponse], error) {
	return connect.NewResponse(&controlpb.InfoResponse{
		Cluster: s.Name, Version: s.Version, Source: s.Source, Branch: s.Branch,
	}), nil
}

// admit refuses who has no name and carries the name, and the means to stop
// reading, to the handlers.
func (s *server) admit(inner http.Handler) http.Handler {
	refuse := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := s.Identity(r)
		if name == "" {
			err := connect.NewError(connect.CodeUnauthenticated, fmt.Errorf("this needs an operator's certificate of this cluster"))
			if refuse.Write(w, r, err) != nil {
				s.Log.Debug("refusing a call", "from", r.RemoteAddr)
			}
			return
		}
		inner.ServeHTTP(w, r.WithContext(withCaller(r.Context(), caller{name, http.NewResponseController(w)})))
	})
}

// recovered turns a handler's panic into an error of that call alone (I27).
func (s *server) recovered(_ context.Context, spec connect.Spec, _ http.Header, value any) error {
	s.Log.Error("a call panicked", "call", spec.Procedure, "panic", value, "stack", string(debug.Stack()))
	return connect.NewError(connect.CodeInternal, fmt.Errorf("the server's handler of %s broke; its log tells where", spec.Procedure))
}
