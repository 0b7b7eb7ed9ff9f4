package serve

import (
	"context"
	"slices"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Events sends recorded events, oldest first, and with follow what comes. A
// reader slower than the record is long misses what was dropped from it. The
// header goes at once, so that a client knows itself heard before anything
// happens.
func (s *server) Events(ctx context.Context, r *connect.Request[controlpb.EventsRequest], out *connect.ServerStream[controlpb.Document]) error {
	events, pos := s.recorded(r.Msg)
	if st, _ := s.Cluster.Status(); len(events) == 0 && !s.names(st, r.Msg.Workload) {
		return s.noWorkload(st, r.Msg.Workload)
	}
	if err := out.Send(nil); err != nil {
		return err
	}
	if err := sendEvents(out, events); err != nil || !r.Msg.Follow {
		return err
	}
	for {
		events, next, more := s.Cluster.EventsAfter(pos)
		if err := sendEvents(out, about(events, r.Msg.Workload)); err != nil {
			return err
		}
		pos = next
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// names is whether something in the cluster has the name, "" being all of it.
// What is gone has its record for a while yet.
func (s *server) names(st *status.Status, of string) bool {
	if slot, ok := schema.ParseSlot(of); ok && byName(st, slot.Workload) != nil {
		return true
	}
	return of == "" || slices.ContainsFunc(st.Workloads, func(w status.Workload) bool { return matches(w.Name, of) })
}

// recorded are the newest that are asked for: the last ones of a workload are
// found among all.
func (s *server) recorded(r *controlpb.EventsRequest) ([]status.Event, uint64) {
	if r.Workload == "" {
		return s.Cluster.Events(int(r.Last))
	}
	all, pos := s.Cluster.Events(0)
	mine := about(all, r.Workload)
	if n := int(r.Last); n > 0 && len(mine) > n {
		mine = mine[len(mine)-n:]
	}
	return mine, pos
}

// about are the events of a workload, a team or a slot, problems of its text
// among them; "" is all.
func about(events []status.Event, of string) []status.Event {
	if of == "" {
		return events
	}
	var mine []status.Event
	for _, e := range events {
		slot, _ := schema.ParseSlot(e.Slot)
		if e.Slot == of || e.Subject == of || e.Workload != "" && matches(e.Workload, of) || slot.Workload != "" && matches(slot.Workload, of) {
			mine = append(mine, e)
		}
	}
	return mine
}

func sendEvents(out *connect.ServerStream[controlpb.Document], events []status.Event) error {
	for i := range events {
		b, err := encode(&events[i])
		if err != nil {
			return coded(err, connect.CodeInternal)
		}
		if err := out.Send(&controlpb.Document{Json: b}); err != nil {
			return err
		}
	}
	return nil
}
