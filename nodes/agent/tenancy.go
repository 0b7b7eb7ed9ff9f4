package agent

import (
	"context"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// Lease is until when a container may run, for a runtime that ends it by itself.
type Lease struct {
	// Until is what is known now. File is where a longer one is written down: a line
	// of the name of the boot and the Mark.
	Until Mark
	File  string
	Boot  string
	// Signal and Grace are how it is ended.
	Signal string
	Grace  time.Duration
}

// leaseOf is by what lease an order's containers run; nil where they need none.
func (a *Agent) leaseOf(o *nodes.Order) *Lease {
	if !o.Leased {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &Lease{Until: a.lease, File: a.store.leasePath(), Boot: a.cfg.BootID, Signal: "SIGTERM", Grace: leaseGrace}
	if w := o.Workload; w != nil {
		l.Grace = min(w.Stop.Grace.D(), leaseGrace)
		if w.Stop.Signal != "" {
			l.Signal = w.Stop.Signal
		}
	}
	return l
}

// boundWithin is how long containers may take to heed a lease. One that does not is
// ended by the agent all the same, while that lives.
const boundWithin = 5 * time.Second

// bind tells what runs of the orders by which lease it does, where that is another
// than in those before. It is done before the server hears that the orders are known,
// and counts on it.
func (a *Agent) bind(was, next []nodes.Order) {
	a.mu.Lock()
	ctx := a.ctx
	a.mu.Unlock()
	if ctx == nil {
		return // open does it
	}
	leased := map[string]bool{}
	for i := range was {
		leased[was[i].ID] = was[i].Leased
	}
	ctx, cancel := context.WithTimeout(ctx, boundWithin)
	defer cancel()
	var all sync.WaitGroup
	for i := range next {
		if o := &next[i]; o.Leased != leased[o.ID] {
			all.Go(func() { a.bindOne(ctx, o) })
		}
	}
	all.Wait()
}

func (a *Agent) bindOne(ctx context.Context, o *nodes.Order) {
	if err := a.runtime.Lease(ctx, o.ID, a.leaseOf(o)); err != nil && ctx.Err() != context.Canceled {
		a.log.Warn("what is leased would outlive its lease if this agent died", "slot", o.Slot.String(), "err", err)
	}
}
