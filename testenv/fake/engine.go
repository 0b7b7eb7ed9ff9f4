package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// Engine is a machine with containers.
type Engine struct {
	mu       sync.Mutex
	info     agent.Info
	images   map[string][]Program
	pulled   map[string]bool
	boxes    map[string]*box // by cluster, node and ID
	occupied map[int]bool
	faults   map[string]Fault
	down     chan struct{} // closed while down
	watchers map[*watcher]bool
	made     int
	calls    map[string]int
	volumes  map[string]map[string]string
}

// Fault is asked at the beginning of a call; an error is the call's. It may
// wait, and honours ctx.
type Fault func(ctx context.Context, id string) error

// New is an engine of 4 cores and 8 GiB that knows no image.
func New() *Engine {
	return &Engine{
		info: agent.Info{
			Name: "fake", Version: "1.0", OS: "linux", Arch: "amd64",
			Capacity: nodes.Capacity{CPU: 4000, Memory: 8 << 30},
		},
		images: map[string][]Program{}, pulled: map[string]bool{}, boxes: map[string]*box{},
		occupied: map[int]bool{}, faults: map[string]Fault{}, down: make(chan struct{}),
		watchers: map[*watcher]bool{}, calls: map[string]int{}, volumes: map[string]map[string]string{},
	}
}

// Image makes ref pullable. The container's first life runs the first Program
// and so on; the last one is run again and again. None is a Program that serves
// for ever. The ref "*" is every image that was not named.
func (e *Engine) Image(ref string, lives ...Program) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(lives) == 0 {
		lives = []Program{{}}
	}
	e.images[ref] = lives
}

// Occupy makes a host port one that something else holds.
func (e *Engine) Occupy(port int) { e.locked(func() { e.occupied[port] = true }) }

// Vacate undoes Occupy.
func (e *Engine) Vacate(port int) { e.locked(func() { delete(e.occupied, port) }) }

// Fault sets what a call ("info", "pull", "start", "stop", "remove", "remove volumes", "list",
// "watch", "logs", "exec") meets; nil is nothing.
func (e *Engine) Fault(call string, f Fault) { e.locked(func() { e.faults[call] = f }) }

// Calls is how often a call was made.
func (e *Engine) Calls(call string) (n int) {
	e.locked(func() { n = e.calls[call] })
	return n
}

// Hang is a Fault that waits until the call is given up.
func Hang(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// Fail is a Fault that meets every call with the same failure.
func Fail(f nodes.Failure) Fault {
	return func(context.Context, string) error { return failure(f.Code, "%s", f.Text) }
}

// Down makes every call fail until Up. Containers run on.
func (e *Engine) Down() {
	e.locked(func() {
		if !e.isDown() {
			close(e.down)
		}
	})
}

// Up ends Down.
func (e *Engine) Up() {
	e.locked(func() {
		if e.isDown() {
			e.down = make(chan struct{})
		}
	})
}

// Kill ends a container as if its program had crashed.
func (e *Engine) Kill(id string, code int) {
	e.locked(func() {
		for _, k := range slices.Sorted(maps.Keys(e.boxes)) {
			if b := e.boxes[k]; b.status.ID == id {
				b.exit(code, false)
			}
		}
	})
}

// Container is the container of an ID as the engine sees it, whoever's it is;
// false if there is none.
func (e *Engine) Container(id string) (s agent.Status, ok bool) {
	e.locked(func() {
		for _, b := range e.boxes {
			if b.status.ID == id {
				s, ok = b.status, true
			}
		}
	})
	return s, ok
}

// lives are what the containers of an image do; nil where there is no such
// image. mu is held.
func (e *Engine) lives(ref string) []Program {
	if lives, ok := e.images[ref]; ok {
		return lives
	}
	return e.images["*"]
}

func (e *Engine) locked(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *Engine) isDown() bool {
	select {
	case <-e.down:
		return true
	default:
		return false
	}
}

// enter is the beginning of every call.
func (e *Engine) enter(ctx context.Context, call, id string) error {
	var fault Fault
	var down bool
	e.locked(func() {
		e.calls[call]++
		fault, down = e.faults[call], e.isDown()
	})
	if fault != nil {
		if err := fault(ctx, id); err != nil {
			return err
		}
	}
	if down {
		return failure(nodes.EngineDown, "the engine is not running")
	}
	return ctx.Err()
}

// holder is who holds a host port; "" is nobody.
func (e *Engine) holder(port int) string {
	if e.occupied[port] {
		return "another program"
	}
	for _, k := range slices.Sorted(maps.Keys(e.boxes)) {
		b := e.boxes[k]
		if b.status.State != agent.StateRunning {
			continue
		}
		for _, p := range b.status.Ports {
			if p == port {
				return b.status.ID
			}
		}
	}
	return ""
}

func failure(code nodes.FailureCode, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &agent.Error{Failure: nodes.Failure{Code: code, Text: err.Error()}, Err: err}
}

var errGone = errors.New("no such container")

// wait is whether d passed before ctx ended.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
