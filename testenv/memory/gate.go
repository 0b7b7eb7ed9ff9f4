package memory

import (
	"context"
	"sync"
)

// Gate is something that is waited for. It is open until it is shut.
type Gate struct {
	mu   sync.Mutex
	shut chan struct{}
}

// Shut closes the gate until open is called, once.
func (g *Gate) Shut() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shut := make(chan struct{})
	g.shut = shut
	return func() { close(shut) }
}

// Open lets those through who come from now on; who waits already waits on.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = nil
}

// pass waits until the gate is open, or ctx ends.
func (g *Gate) pass(ctx context.Context) error {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return nil
	}
	select {
	case <-shut:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
