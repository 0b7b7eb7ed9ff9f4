package native

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// hub tells every Watch which containers changed. A listener that is slow is
// told once for many changes, so what is kept for it is bounded.
type hub struct {
	mu   sync.Mutex
	subs map[*listener]bool
}

type listener struct {
	wake chan struct{} // capacity 1
	mu   sync.Mutex
	ids  map[string]bool
}

func (h *hub) listen() (l *listener, stop func()) {
	l = &listener{wake: make(chan struct{}, 1), ids: map[string]bool{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = map[*listener]bool{}
	}
	h.subs[l] = true
	return l, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, l)
	}
}

func (h *hub) changed(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.subs {
		l.mu.Lock()
		l.ids[id] = true
		l.mu.Unlock()
		poke(l.wake)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// heard are the containers that changed since it was called last.
func (l *listener) heard() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.ids
	l.ids = map[string]bool{}
	return ids
}

var errClosed = errors.New("the runtime was closed")

// Watch listens first and then says that anything may have changed, so that
// nothing falls between the caller's List and the first word.
func (r *Runtime) Watch(ctx context.Context, changed func(id string)) error {
	if err := r.adopt(ctx); err != nil {
		return explain("watching containers", err)
	}
	l, stop := r.told.listen()
	defer stop()
	changed("")
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("watching containers: %w", ctx.Err())
		case <-r.ctx.Done():
			return fmt.Errorf("watching containers: %w", errClosed)
		case <-l.wake:
			for id := range l.heard() {
				changed(id)
			}
		}
	}
}
