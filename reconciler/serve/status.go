package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Status is the newest status.Status, or the part of it that matches.
func (s *server) Status(_ context.Context, r *connect.Request[controlpb.StatusRequest]) (*connect.Response[controlpb.Document], error) {
	st, _ := s.Cluster.Status()
	if m := r.Msg.Match; m != "" && !slices.ContainsFunc(st.Workloads, func(w status.Workload) bool { return matches(w.Name, m) }) {
		return nil, s.noWorkload(st, m)
	}
	b, err := s.statusJSON(st, r.Msg.Match)
	if err != nil {
		return nil, coded(err, connect.CodeInternal)
	}
	return connect.NewResponse(&controlpb.Document{Json: b}), nil
}

// WatchStatus sends the present status, then each one that differs. While a
// send waits for a slow reader nothing is kept for it: the next one sent is the
// newest then.
func (s *server) WatchStatus(ctx context.Context, r *connect.Request[controlpb.StatusRequest], out *connect.ServerStream[controlpb.Document]) error {
	var last []byte
	for {
		st, newer := s.Cluster.Status()
		b, err := s.statusJSON(st, r.Msg.Match)
		if err != nil {
			return coded(err, connect.CodeInternal)
		}
		if !bytes.Equal(b, last) {
			if err := out.Send(&controlpb.Document{Json: b}); err != nil {
				return err
			}
			last = b
		}
		select {
		case <-newer:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// statusText is the text of the newest status, written once for all watchers.
type statusText struct {
	mu   sync.Mutex
	of   *status.Status
	text []byte
}

func (s *server) statusJSON(st *status.Status, match string) ([]byte, error) {
	if match != "" {
		return encode(part(st, match))
	}
	s.newest.mu.Lock()
	defer s.newest.mu.Unlock()
	if s.newest.of == st {
		return s.newest.text, nil
	}
	b, err := encode(st)
	if err == nil {
		s.newest.of, s.newest.text = st, b
	}
	return b, err
}

// part is st with the workloads that match and the problems about them; the
// commit, the nodes and the problems of no workload stay.
func part(st *status.Status, match string) *status.Status {
	p := *st
	p.Workloads = slices.DeleteFunc(slices.Clone(st.Workloads), func(w status.Workload) bool { return !matches(w.Name, match) })
	p.Problems = slices.DeleteFunc(slices.Clone(st.Problems), func(x status.Problem) bool {
		w := workloadOf(st, x.Subject)
		return w != nil && !matches(w.Name, match)
	})
	return &p
}

// matches is whether a workload is the one asked for or of the team asked for.
func matches(workload, match string) bool {
	return workload == match || strings.HasPrefix(workload, strings.TrimSuffix(match, "/")+"/")
}

// encode writes a document as JSON with <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
