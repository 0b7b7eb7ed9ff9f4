package serve

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Plan answers what a tree would change.
func (s *server) Plan(ctx context.Context, r *connect.Request[controlpb.PlanRequest]) (*connect.Response[controlpb.Document], error) {
	head, err := specOf(r.Msg.Spec, "spec")
	if err != nil {
		return nil, err
	}
	var base *schema.Spec
	if len(r.Msg.Base) > 0 {
		if base, err = specOf(r.Msg.Base, "base"); err != nil {
			return nil, err
		}
	}
	if err := s.granted(head); err != nil {
		return nil, invalid("%w", err)
	}
	p, err := s.preview(ctx, base, head, r.Msg)
	if err != nil {
		return nil, coded(err, connect.CodeInternal)
	}
	return document(p)
}

func (s *server) preview(ctx context.Context, base, head *schema.Spec, r *controlpb.PlanRequest) (*status.Preview, error) {
	if r.Pin {
		return s.Cluster.PreviewAndPin(ctx, r.Repo, base, *head, callerOf(ctx).actor(r.Actor))
	}
	return s.Cluster.Preview(ctx, r.Repo, base, *head)
}

func specOf(text []byte, what string) (*schema.Spec, error) {
	spec := new(schema.Spec)
	if err := json.Unmarshal(text, spec); err != nil {
		return nil, invalid("the plan's %s: %w", what, err)
	}
	if err := admissible(spec); err != nil {
		return nil, invalid("the plan's %s: %w", what, err)
	}
	return spec, nil
}

// Snapshot is the state that a plan is decided on, to ask it without a server.
func (s *server) Snapshot(ctx context.Context, _ *connect.Request[controlpb.SnapshotRequest]) (*connect.Response[controlpb.Document], error) {
	r, err := s.Cluster.Snapshot(ctx)
	if err != nil {
		return nil, coded(err, connect.CodeInternal)
	}
	return document(r)
}

// Explain tells why a slot is where it is, or why it is nowhere.
func (s *server) Explain(ctx context.Context, r *connect.Request[controlpb.ExplainRequest]) (*connect.Response[controlpb.Document], error) {
	st, _ := s.Cluster.Status()
	if byName(st, r.Msg.Slot) != nil {
		return nil, invalid("%s is a workload: name one of its slots, such as %s", r.Msg.Slot, schema.Slot{Workload: r.Msg.Slot})
	}
	slot, ok := schema.ParseSlot(r.Msg.Slot)
	if !ok {
		return nil, invalid("%w", &schema.SlotError{Text: r.Msg.Slot})
	}
	e, err := s.Cluster.Explain(ctx, slot)
	if err != nil {
		return nil, coded(err, connect.CodeNotFound)
	}
	return document(e)
}

// maxMoves bounds what one question can cost.
const maxMoves = 1000

// Moves tells which slots would be better placed elsewhere.
func (s *server) Moves(ctx context.Context, r *connect.Request[controlpb.MovesRequest]) (*connect.Response[controlpb.Document], error) {
	m, err := s.Cluster.Moves(ctx, int(min(r.Msg.Budget, maxMoves)))
	if err != nil {
		return nil, coded(err, connect.CodeUnavailable)
	}
	return document(m)
}

// History tells what became of commits, and of a workload's rollouts.
func (s *server) History(ctx context.Context, r *connect.Request[controlpb.HistoryRequest]) (*connect.Response[controlpb.Document], error) {
	st, _ := s.Cluster.Status()
	if name := r.Msg.Workload; name != "" && byName(st, name) == nil {
		return nil, s.noWorkload(st, name)
	}
	h, err := s.Cluster.History(ctx, r.Msg.Workload)
	if err != nil {
		return nil, coded(err, connect.CodeUnavailable)
	}
	return document(h)
}

// commitPattern is a commit or a prefix that is long enough to mean one, of a
// repository if that is named.
var commitPattern = regexp.MustCompile(`^([a-z0-9-]+:)?[0-9a-f]{4,64}$`)

// Approve lets a held commit through.
func (s *server) Approve(ctx context.Context, r *connect.Request[controlpb.ApproveRequest]) (*connect.Response[controlpb.ApproveResponse], error) {
	commit := strings.ToLower(r.Msg.Commit)
	if !commitPattern.MatchString(commit) {
		return nil, invalid("%q is no commit: want its hash or at least the first 4 digits", r.Msg.Commit)
	}
	full, err := s.Cluster.Approve(ctx, commit, callerOf(ctx).actor(r.Msg.Actor))
	if err != nil {
		return nil, coded(err, connect.CodeFailedPrecondition)
	}
	return connect.NewResponse(&controlpb.ApproveResponse{Commit: full}), nil
}

// How long a join token lives: long enough to walk to the machine, and never so
// long that one in a chat's history still opens the door.
const (
	defaultTTL = time.Hour
	maxTTL     = 7 * 24 * time.Hour
)

// JoinToken makes a one-time token and the line to type on the new node.
func (s *server) JoinToken(ctx context.Context, r *connect.Request[controlpb.JoinTokenRequest]) (*connect.Response[controlpb.JoinTokenResponse], error) {
	seconds := r.Msg.TtlSeconds
	if seconds < 0 || seconds > int64(maxTTL/time.Second) {
		return nil, invalid("a join token lives from 1s to %s", schema.Duration(maxTTL))
	}
	ttl := time.Duration(seconds) * time.Second
	if ttl == 0 {
		ttl = defaultTTL
	}
	actor := callerOf(ctx).name
	line, expires, err := s.Joiner.JoinLine(ctx, ttl, actor)
	if err != nil {
		return nil, coded(err, connect.CodeInternal)
	}
	s.Log.Info("join token", "expires", expires, "actor", actor)
	return connect.NewResponse(&controlpb.JoinTokenResponse{Line: line, ExpiresUnix: expires.Unix()}), nil
}

// RemoveNode takes a node out of the cluster.
func (s *server) RemoveNode(ctx context.Context, r *connect.Request[controlpb.RemoveNodeRequest]) (*connect.Response[controlpb.RemoveNodeResponse], error) {
	if r.Msg.Node == "" {
		return nil, invalid("name a node; see `bayplan node ls`")
	}
	actor := callerOf(ctx).actor(r.Msg.Actor)
	if err := s.Cluster.RemoveNode(ctx, r.Msg.Node, r.Msg.Force, actor); err != nil {
		return nil, coded(err, connect.CodeInternal)
	}
	s.Log.Info("node removed", "node", r.Msg.Node, "actor", actor)
	return connect.NewResponse(&controlpb.RemoveNodeResponse{}), nil
}

func document(v any) (*connect.Response[controlpb.Document], error) {
	b, err := encode(v)
	if err != nil {
		return nil, coded(err, connect.CodeInternal)
	}
	return connect.NewResponse(&controlpb.Document{Json: b}), nil
}
