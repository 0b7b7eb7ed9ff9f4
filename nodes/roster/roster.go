package roster

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Silence is how long a node may say nothing before it counts as unreachable.
// A node that is heard again after it is news even if it has nothing new to
// say.
const Silence = 15 * time.Second

// Roster is safe for concurrent use. Snapshots taken from it never change.
type Roster struct {
	now     func() time.Time
	changed chan struct{}

	mu    sync.Mutex
	nodes []*entry // sorted by name
	// settings are nil until somebody knows them; resettled is closed when others
	// take their place.
	settings  *nodes.Settings
	resettled chan struct{}
	// decided is the instant as of which all decisions are parked; zero is never.
	decided time.Time
	// snapshot is the last one taken; nil once something differs from it.
	snapshot []nodes.Seen
}

// entry is one node. It may exist for its Assignment alone, before the node is
// heard.
type entry struct {
	name  string
	heard bool
	seen  nodes.Seen
	clock clock
	// back is when it was heard again after a silence, or for the first time.
	back   time.Time
	parked nodes.Assignment
	// newer is closed when an Assignment takes the place of parked.
	newer chan struct{}
}

// New is an empty Roster. now must read the monotonic clock too, as time.Now
// does, so that a jump of the wall clock ages no node (I23).
func New(now func() time.Time) *Roster {
	return &Roster{now: now, changed: make(chan struct{}, 1), resettled: make(chan struct{})}
}

// Changed yields after the Snapshot came to differ in more than At; signals
// that nobody took are one. It is never closed.
func (r *Roster) Changed() <-chan struct{} { return r.changed }

// Report takes over a full report of the node, which must not be changed
// afterwards. Its times are moved onto the server's clock.
func (r *Roster) Report(node string, rep nodes.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, now := r.entry(node), r.now()
	e.clock.set(now, rep.Now)
	if !e.heard || now.Sub(e.seen.At) > Silence {
		e.back = now
	}
	e.heard = true
	e.seen.At, e.seen.Report = now, e.clock.move(rep, now)
	r.snapshot = nil
	r.signal()
}

// Heard notes that the node lives and that its last report still holds.
func (r *Roster) Heard(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, now := r.entry(node), r.now()
	if !e.heard {
		return
	}
	silent := now.Sub(e.seen.At)
	e.seen.At, r.snapshot = now, nil
	if silent > Silence {
		e.back = now
		r.signal()
	}
}

// Decided says that whatever follows from the Snapshot of that instant, or an
// earlier one, has been parked; zero that nobody decides here any more. Who waits on
// what is parked for a node looks again where that node is trusted from now on.
func (r *Roster) Decided(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.nodes {
		if e.heard && !e.back.Before(r.decided) && e.back.Before(at) {
			close(e.newer)
			e.newer = make(chan struct{})
		}
	}
	r.decided = at
}

// Trusted is whether the node may run what is leased: it is heard, and nothing is
// to come that was decided while it was not. The newest Assignment that is parked
// after it was asked has all of that.
func (r *Roster) Trusted(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, known := r.find(node)
	return known && r.nodes[k].heard && r.nodes[k].back.Before(r.decided)
}

// Refused notes why the node does not take over an Assignment. It stands until
// a newer one is parked.
func (r *Roster) Refused(node string, v nodes.Version, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(node)
	if e.parked.Version != v || e.seen.Refusal == why {
		return
	}
	e.seen.Refusal, r.snapshot = why, nil
	r.signal()
}

// Assign parks what its node should have. Only the newest matters: it takes the
// place of the one before, delivered or not. An older one is dropped. Orders to
// stop are parked with how to stop and no more.
func (r *Roster) Assign(a nodes.Assignment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(a.Node)
	if a.Version.Compare(e.parked.Version) <= 0 {
		return
	}
	e.parked = lean(a)
	if e.seen.Refusal != "" {
		e.seen.Refusal, r.snapshot = "", nil
	}
	close(e.newer)
	e.newer = make(chan struct{})
}

// lean is a with no more of a workload's text in an order to stop than how to
// stop it and what comes last. A node that was ordered more than one message holds would otherwise
// never be told to drop it.
func lean(a nodes.Assignment) nodes.Assignment {
	copied := false
	for i := range a.Orders {
		w := a.Orders[i].Workload
		if !a.Orders[i].Stop || w == nil {
			continue
		}
		if !copied {
			a.Orders, copied = slices.Clone(a.Orders), true
		}
		brief := &schema.Workload{Name: w.Name, Kind: w.Kind, Stop: w.Stop}
		if w.PostStop != nil { // what it runs in
			brief.PostStop, brief.Network, brief.Volumes, brief.Resources, brief.Labels = w.PostStop, w.Network, w.Volumes, w.Resources, w.Labels
		}
		a.Orders[i].Workload = brief
	}
	return a
}

// Parked is the newest Assignment of the node, with a channel that is closed
// once a newer one is there, or the node is trusted anew. Its Version is zero while none was parked.
func (r *Roster) Parked(node string) (nodes.Assignment, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(node)
	return e.parked, e.newer
}

// Settle says what holds for every node from now on.
func (r *Roster) Settle(s nodes.Settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings != nil && r.settings.Equal(&s) {
		return
	}
	r.settings = &s
	close(r.resettled)
	r.resettled = make(chan struct{})
}

// Settings are what was settled last, nil before that, with a channel that is
// closed once there are others. They must not be changed.
func (r *Roster) Settings() (*nodes.Settings, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settings, r.resettled
}

// Forget drops all that is known of a node that left the cluster.
func (r *Roster) Forget(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.find(node)
	if !ok {
		return
	}
	r.nodes = slices.Delete(r.nodes, k, k+1)
	r.snapshot = nil
	r.signal()
}

// Snapshot is every node that was heard. It costs nothing while nobody was
// heard since the last one, and otherwise a copy of one Seen for each node:
// instances are never copied.
func (r *Roster) Snapshot() nodes.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.snapshot == nil {
		r.snapshot = make([]nodes.Seen, 0, len(r.nodes))
		for _, e := range r.nodes {
			if e.heard {
				r.snapshot = append(r.snapshot, e.seen)
			}
		}
	}
	return nodes.Snapshot{Nodes: slices.Clip(r.snapshot)}
}

func (r *Roster) find(node string) (int, bool) {
	return slices.BinarySearchFunc(r.nodes, node, func(e *entry, n string) int { return strings.Compare(e.name, n) })
}

// entry finds the node or begins one.
func (r *Roster) entry(node string) *entry {
	k, ok := r.find(node)
	if !ok {
		r.nodes = slices.Insert(r.nodes, k, &entry{name: node, newer: make(chan struct{})})
	}
	return r.nodes[k]
}

func (r *Roster) signal() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}
