package memory

import (
	"context"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/roster"
)

// Link joins one agent to a roster without a network; it is an agent.Uplink.
// It can be cut and moved to another roster, as when a server restarts.
type Link struct {
	mu      sync.Mutex
	to      *roster.Roster
	changed chan struct{}
}

// NewLink leads to r; nil is a link that is cut.
func NewLink(r *roster.Roster) *Link { return &Link{to: r, changed: make(chan struct{})} }

// Move leads the link to r, or cuts it where r is nil.
func (l *Link) Move(r *roster.Roster) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = r
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) state() (*roster.Roster, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to, l.changed
}

// heartbeat is the real link's.
const heartbeat = 5 * time.Second

// Run serves n until ctx ends.
func (l *Link) Run(ctx context.Context, n agent.Node) error {
	for ctx.Err() == nil {
		to, moved := l.state()
		if to == nil {
			select {
			case <-ctx.Done():
			case <-moved:
			}
			continue
		}
		session(ctx, n, to, moved)
	}
	return nil
}

func session(ctx context.Context, n agent.Node, to *roster.Roster, moved <-chan struct{}) {
	name := n.Report().Node.Name
	to.Report(name, told(n))
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for renew := func() {}; ; {
		parked, newer := to.Parked(name)
		settings, resettled := to.Settings()
		if s, ok := n.(agent.Settled); ok && settings != nil {
			s.Settle(*settings)
		}
		if parked.Version.Compare(n.Holds().Version) > 0 {
			if err := n.Assign(parked); err != nil {
				to.Refused(name, parked.Version, err.Error())
			}
		}
		renew()
		renew = func() {}
		select {
		case <-ctx.Done():
			return
		case <-moved:
			return
		case <-n.Changed():
			to.Report(name, told(n))
		case <-tick.C:
			renew = beat(n, to, name)
		case <-newer:
		case <-resettled:
		}
	}
}

// told is the report as the server hears it.
func told(n agent.Node) nodes.Report {
	r := n.Report()
	_, r.Node.Leases = n.(agent.Tenant)
	return r
}

// beat is a heartbeat; what it returns is the answer, which comes after what is
// parked by then.
func beat(n agent.Node, to *roster.Roster, name string) (answer func()) {
	t, keeps := n.(agent.Tenant)
	if !keeps {
		to.Heard(name)
		return func() {}
	}
	mark := t.Mark()
	to.Heard(name)
	if !to.Trusted(name) {
		return func() {}
	}
	return func() {
		newest, _ := to.Parked(name)
		t.Renew(mark, newest.Version)
	}
}
