package images

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// flights does each job once, however many want it. A job belongs to no caller:
// it goes on while anybody waits for it, and is ended when nobody does.
type flights[T any] struct {
	ctx  context.Context
	log  *slog.Logger
	jobs sync.WaitGroup
	// patient: the last to leave waits until the job has put away its things.
	patient bool

	mu      sync.Mutex
	running map[string]*flight[T]
}

type flight[T any] struct {
	by      string
	cancel  context.CancelCauseFunc
	waiting int
	done    chan struct{}
	value   T
	err     error
}

var errNobodyWaits = errors.New("nobody waits for it any more")

func newFlights[T any](ctx context.Context, log *slog.Logger, patient bool) *flights[T] {
	return &flights[T]{ctx: ctx, log: log, patient: patient, running: map[string]*flight[T]{}}
}

// wait is for the end of all; the context was cancelled before. Who is joining at
// this moment has begun his job or sees the end, once he leaves the lock.
func (g *flights[T]) wait() {
	g.mu.Lock()
	g.mu.Unlock() //nolint:staticcheck // see above
	g.jobs.Wait()
}

// do joins the job of that key or starts it. By says whose way of doing it this
// is: who joined a job of another's, and sees it fail, does it in his own way.
func (g *flights[T]) do(ctx context.Context, key, by string, job func(context.Context) (T, error)) (T, error) {
	for {
		f, ours := g.join(key, by, job)
		if f == nil {
			var none T
			return none, context.Cause(g.ctx)
		}
		if !g.await(ctx, f) {
			var none T
			return none, ctx.Err()
		}
		if f.err == nil || ours || f.by == by && !errors.Is(f.err, errNobodyWaits) {
			return f.value, f.err
		}
	}
}

// join is the flight and whether this caller started it; nil once the store is
// closed.
func (g *flights[T]) join(key, by string, job func(context.Context) (T, error)) (*flight[T], bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.running[key]; f != nil {
		f.waiting++
		return f, false
	}
	if g.ctx.Err() != nil {
		return nil, false
	}
	ctx, cancel := context.WithCancelCause(g.ctx)
	f := &flight[T]{by: by, cancel: cancel, waiting: 1, done: make(chan struct{})}
	g.running[key] = f
	g.jobs.Go(func() { g.run(ctx, key, f, job) })
	return f, true
}

func (g *flights[T]) run(ctx context.Context, key string, f *flight[T], job func(context.Context) (T, error)) {
	defer func() {
		if p := recover(); p != nil {
			g.log.Error("panic", "doing", key, "panic", p, "stack", string(debug.Stack()))
			f.err = fmt.Errorf("internal error: %v", p)
		}
		if f.err != nil && errors.Is(context.Cause(ctx), errNobodyWaits) {
			f.err = errNobodyWaits
		}
		f.cancel(nil)
		g.mu.Lock()
		delete(g.running, key)
		g.mu.Unlock()
		close(f.done)
	}()
	f.value, f.err = job(ctx)
}

// await is false if the caller's context ended before the job.
func (g *flights[T]) await(ctx context.Context, f *flight[T]) bool {
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
	}
	if g.leave(f) && g.patient {
		<-f.done
	}
	return false
}

// leave is true for the last.
func (g *flights[T]) leave(f *flight[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.waiting--; f.waiting > 0 {
		return false
	}
	f.cancel(errNobodyWaits)
	return true
}
