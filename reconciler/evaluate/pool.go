package evaluate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/bayplan/bayplan/schema/load"
)

// Config is how packages are evaluated. The zero value is that of a server.
type Config struct {
	// Command starts a worker, a program and its arguments: `bayplan worker` of
	// this very binary.
	Command []string
	// Workers is how many there are at once; one for each processor.
	Workers int
	// Memory is how much each may take, in bytes; DefaultMemory. Below 128 MiB a
	// worker may not even start.
	Memory int64
	// Output is how long an answer may be, in bytes; 32 MiB.
	Output int64
	// Wall is how many times its processor time (load.Limits.PackageTime) a package
	// may take by the clock: other work keeps even an honest worker waiting; 6.
	Wall int
	// Idle is after what time without work a worker ends; 5 minutes.
	Idle time.Duration
	// Log gets one line about what workers cannot be held to here.
	Log *slog.Logger
}

// DefaultMemory is the default of Config.Memory: a package of a thousand workloads
// takes half of it.
const DefaultMemory = 1 << 30

func (c *Config) setDefaults() {
	if len(c.Command) == 0 {
		c.Command = []string{"/proc/self/exe", "worker"}
	}
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Memory <= 0 {
		c.Memory = DefaultMemory
	}
	if c.Output <= 0 {
		c.Output = 32 << 20
	}
	if c.Wall <= 0 {
		c.Wall = 6
	}
	if c.Idle <= 0 {
		c.Idle = 5 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Pool has packages evaluated by workers, as many at once as it has. Workers start
// when there is work. Close ends them all.
type Pool struct {
	cfg Config
	// places holds one for each package that is being evaluated.
	places chan struct{}

	mu     sync.Mutex
	idle   []*idler
	level  int // of levels; those before are not allowed here
	told   bool
	closed bool
	// resting counts those in idle, and those that are being dismissed.
	resting sync.WaitGroup
}

// idler is a worker without work, whose timer ends it.
type idler struct {
	*process
	timer *time.Timer
}

// New makes a pool; it starts nothing yet.
func New(cfg Config) *Pool {
	cfg.setDefaults()
	return &Pool{cfg: cfg, places: make(chan struct{}, cfg.Workers)}
}

// retireAfter is how many packages a worker evaluates: field names are interned
// for ever, some hundred bytes each.
const retireAfter = 2000

// Evaluate is a [load.Evaluator].
func (p *Pool) Evaluate(ctx context.Context, one load.Package, read func(dir string) load.Folder) ([]byte, error) {
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		w, err := p.worker(ctx)
		if err != nil {
			return nil, err
		}
		answer, err := w.evaluate(ctx, one, read)
		if err == nil {
			p.rest(w)
			return answer, nil
		}
		if !w.doubt {
			return nil, err
		}
		// A new worker knows whether it was this package.
	}
}

// worker is one that is idle, or a new one.
func (p *Pool) worker(ctx context.Context) (*process, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		last := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if last.timer.Stop() {
			p.resting.Done()
			p.mu.Unlock()
			return last.process, nil
		}
	}
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, errors.New("evaluation has ended")
	}
	return p.start(ctx)
}

// start starts a worker with all that this machine allows.
func (p *Pool) start(ctx context.Context) (*process, error) {
	all := levels()
	p.mu.Lock()
	first := p.level
	p.mu.Unlock()
	var refused error
	for i := first; i < len(all); i++ {
		w, err := start(ctx, &p.cfg, &all[i])
		if err == nil {
			p.tell(i, all[i].name, refused, w.held)
			return w, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if refused == nil {
			refused = err
		}
	}
	return nil, refused
}

// tell logs once what a worker is not held to.
func (p *Pool) tell(level int, name string, refused error, h Held) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.level = level
	if p.told {
		return
	}
	p.told = true
	missing := []any{}
	for _, m := range []struct{ what, why string }{{"namespaces", name}, {"calls", h.Calls}, {"oom", h.First}} {
		if m.why != "" {
			missing = append(missing, m.what, m.why)
		}
	}
	if len(missing) > 0 {
		p.cfg.Log.Info("evaluation has no more walls on this machine than it allows", append(missing, "why", fmt.Sprint(refused))...)
	}
}

// rest puts a worker aside until there is work.
func (p *Pool) rest(w *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || w.done >= retireAfter {
		w.end()
		return
	}
	p.resting.Add(1)
	i := &idler{process: w}
	i.timer = time.AfterFunc(p.cfg.Idle, func() { p.dismiss(i) })
	p.idle = append(p.idle, i)
}

// dismiss ends a worker that has been idle.
func (p *Pool) dismiss(i *idler) {
	defer p.resting.Done()
	p.mu.Lock()
	for k, other := range p.idle {
		if other == i {
			p.idle = append(p.idle[:k:k], p.idle[k+1:]...)
			break
		}
	}
	p.mu.Unlock()
	i.end()
}

// Close ends all workers, and waits for those that are at work.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, i := range idle {
		if i.timer.Stop() {
			i.end()
			p.resting.Done()
		}
	}
	for range cap(p.places) {
		p.places <- struct{}{}
	}
	p.resting.Wait()
}
