package serve

import (
	"context"
	"strings"
	"time"
	"unicode"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/schema"
)

const (
	// maxReason bounds what an operator writes into the record, in characters.
	maxReason = 500
	// maxFor bounds how long anything that an operator sets lasts.
	maxFor = 90 * 24 * time.Hour
)

// Operate grants what an operator asks for.
func (s *server) Operate(ctx context.Context, r *connect.Request[controlpb.OperateRequest]) (*connect.Response[controlpb.OperateResponse], error) {
	m := r.Msg
	switch {
	case m.Of == "":
		return nil, invalid("say of what; see `bayplan status`")
	case m.Seconds < 0 || m.Seconds > int64(maxFor/time.Second):
		return nil, invalid("a time to %s is from 1s to %s", m.Verb, schema.Duration(maxFor))
	case len([]rune(m.Reason)) > maxReason:
		return nil, invalid("a reason has at most %d characters", maxReason)
	}
	w := reconciler.Wish{Verb: reconciler.Verb(m.Verb), Of: m.Of, Actor: callerOf(ctx).actor(m.Actor),
		Reason: printable(m.Reason), For: time.Duration(m.Seconds) * time.Second}
	g, err := s.Cluster.Operate(ctx, w)
	if err != nil {
		return nil, coded(err, connect.CodeInternal)
	}
	s.Log.Info(g.Text, "verb", m.Verb, "workload", g.Workload, "node", g.Node, "actor", w.Actor)
	return connect.NewResponse(&controlpb.OperateResponse{Text: g.Text, Next: g.Next}), nil
}

// printable is a text in one line, without what a terminal would obey.
func printable(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text))
}
