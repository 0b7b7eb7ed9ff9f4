package loop

import (
	"sync"

	"github.com/bayplan/bayplan/reconciler/status"
)

// ringSize is how many events are kept in memory for those who ask; the ledger
// keeps more.
const ringSize = 2000

// eventRing is the newest events, each with a position that only grows.
type eventRing struct {
	mu     sync.Mutex
	events []status.Event
	end    uint64 // position after the newest
	newer  chan struct{}
}

func newEventRing() *eventRing { return &eventRing{newer: make(chan struct{})} }

func (r *eventRing) reset(events []status.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end == 0 {
		r.append(events)
	}
}

func (r *eventRing) add(events []status.Event) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.append(events)
}

func (r *eventRing) append(events []status.Event) {
	r.events = append(r.events, events...)
	if extra := len(r.events) - ringSize; extra > 0 {
		r.events = append([]status.Event(nil), r.events[extra:]...)
	}
	r.end += uint64(len(events))
	close(r.newer)
	r.newer = make(chan struct{})
}

// Events are the newest last of those kept (0 is all), oldest first, and the
// position after them.
func (l *Loop) Events(last int) ([]status.Event, uint64) {
	r := l.events
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	if last > 0 && len(events) > last {
		events = events[len(events)-last:]
	}
	return append([]status.Event(nil), events...), r.end
}

// EventsAfter are those after a position, the position after them, and a
// channel that is closed once there are more. Events that were dropped since
// are missing without notice: the ledger has them.
func (l *Loop) EventsAfter(pos uint64) ([]status.Event, uint64, <-chan struct{}) {
	r := l.events
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := min(r.end-min(pos, r.end), uint64(len(r.events)))
	events := append([]status.Event(nil), r.events[uint64(len(r.events))-fresh:]...)
	return events, r.end, r.newer
}
