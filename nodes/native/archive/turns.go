package archive

import (
	"context"
	"sync"
)

// turns lets one at a time do what goes by a name.
type turns struct {
	mu  sync.Mutex
	all map[string]*turn
}

type turn struct {
	taken chan struct{}
	users int
}

// take waits for the turn; done gives it back.
func (t *turns) take(ctx context.Context, name string) (done func(), err error) {
	t.mu.Lock()
	one := t.all[name]
	if one == nil {
		one = &turn{taken: make(chan struct{}, 1)}
		t.all[name] = one
	}
	one.users++
	t.mu.Unlock()
	select {
	case one.taken <- struct{}{}:
		return func() { <-one.taken; t.leave(name, one) }, nil
	case <-ctx.Done():
		t.leave(name, one)
		return nil, context.Cause(ctx)
	}
}

func (t *turns) leave(name string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(t.all, name)
	}
}
