package bridge

import (
	"context"
	"sync"
)

// keyed is a lock per key.
type keyed struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

// lock waits until nobody else has the key, or ctx ends.
func (k *keyed) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		wait, taken := k.busy[key]
		if !taken {
			mine := make(chan struct{})
			if k.busy == nil {
				k.busy = map[string]chan struct{}{}
			}
			k.busy[key] = mine
			k.mu.Unlock()
			return func() { k.unlock(key, mine) }, nil
		}
		k.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (k *keyed) unlock(key string, mine chan struct{}) {
	k.mu.Lock()
	delete(k.busy, key)
	k.mu.Unlock()
	close(mine)
}
