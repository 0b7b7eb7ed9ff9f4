package bridge

import "sync"

// together does one thing for all calls that come at the same time. The kernel
// makes whoever deletes a link or a rule wait 10 to 20 ms for other processors
// (an RCU grace period), however many are deleted: so calls that come while one
// waits are gathered, and done in one go afterwards.
type together[T any] struct {
	run func([]T) error

	turn sync.Mutex // held while run runs

	mu   sync.Mutex
	next *round[T]
}

type round[T any] struct {
	items []T
	done  chan struct{}
	err   error
}

// do adds items to the next round, and returns when that is done, with its error.
func (g *together[T]) do(items ...T) error {
	g.mu.Lock()
	r, first := g.next, g.next == nil
	if first {
		r = &round[T]{done: make(chan struct{})}
		g.next = r
	}
	r.items = append(r.items, items...)
	g.mu.Unlock()
	if first {
		g.lead(r)
	}
	<-r.done
	return r.err
}

// lead waits for the round before to end, closes the list, and runs.
func (g *together[T]) lead(r *round[T]) {
	g.turn.Lock()
	defer g.turn.Unlock()
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	defer close(r.done)
	r.err = g.run(r.items)
}
