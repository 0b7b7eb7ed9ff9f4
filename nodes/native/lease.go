package native

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bundle"
)

var _ agent.Lessor = (*Runtime)(nil)

func leaseOf(l *agent.Lease) *bundle.Lease {
	if l == nil {
		return nil
	}
	return &bundle.Lease{Until: time.Duration(l.Until), File: l.File, Boot: l.Boot, Signal: l.Signal, Grace: l.Grace}
}

// Lease tells the monitor of a container that runs by which lease it does, or that
// it has none any more.
func (r *Runtime) Lease(ctx context.Context, id string, l *agent.Lease) error {
	b, err := r.box(ctx, id)
	if b == nil || err != nil || b.running() == nil {
		return explain("leasing "+id, err)
	}
	return explain("leasing "+id, r.tellLease(ctx, b, leaseOf(l)))
}

func (r *Runtime) tellLease(ctx context.Context, b *box, l *bundle.Lease) error {
	conn, err := r.ask(ctx, b, bundle.Request{Op: bundle.OpLease, Lease: l})
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	var heard bundle.Ready
	if err := json.NewDecoder(conn).Decode(&heard); err != nil {
		return fmt.Errorf("its monitor, which an older program may have started, does not heed it: %w", err)
	}
	return nil
}
