package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
	"github.com/bayplan/bayplan/schema"
)

// Runtime is an Engine as one node of one cluster sees it.
type Runtime struct {
	engine *Engine
	owner  string
}

var _ agent.Runtime = (*Runtime)(nil)

// Runtime sees the containers of one node of one cluster, and no others.
func (e *Engine) Runtime(cluster, node string) *Runtime {
	return &Runtime{engine: e, owner: cluster + "/" + node}
}

// Info describes the engine.
func (r *Runtime) Info(ctx context.Context) (agent.Info, error) {
	if err := r.engine.enter(ctx, "info", ""); err != nil {
		return agent.Info{}, err
	}
	return r.engine.info, nil
}

// Pull makes an image present.
func (r *Runtime) Pull(ctx context.Context, image string) error {
	e := r.engine
	if err := e.enter(ctx, "pull", image); err != nil {
		return err
	}
	var present, known bool
	var takes time.Duration
	e.locked(func() {
		lives := e.lives(image)
		present, known = e.pulled[image], len(lives) > 0
		if known {
			takes = lives[0].Pulls
		}
	})
	switch {
	case present:
		return nil
	case !known:
		return failure(nodes.ImageNotFound, "no image %s", image)
	}
	if err := wait(ctx, takes); err != nil {
		return err
	}
	e.locked(func() { e.pulled[image] = true })
	return nil
}

// Start creates and starts.
func (r *Runtime) Start(ctx context.Context, c agent.Container) (agent.Status, error) {
	e := r.engine
	if err := e.enter(ctx, "start", c.ID); err != nil {
		return agent.Status{}, err
	}
	if joined := r.get(c.Join); c.Join != "" && (joined == nil || joined.status.State != agent.StateRunning) {
		return agent.Status{}, fmt.Errorf("container %s, whose network is to be shared, does not run", c.Join)
	}
	b, program, err := r.create(c)
	if err != nil {
		return agent.Status{}, err
	}
	if err := wait(ctx, program.Starts); err != nil {
		return agent.Status{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if b.status.State == agent.StateRunning {
		return b.status, nil
	}
	if command := argv(b.spec.Workload); program.Main != nil && command[0] != steps.Path {
		return agent.Status{}, failure(nodes.CommandNotFound, "%s: no such file or directory", command[0])
	}
	for _, name := range slices.Sorted(maps.Keys(b.status.Ports)) {
		port := b.status.Ports[name]
		if by := e.holder(port); by != "" {
			err := fmt.Errorf("port %d is in use by %s", port, by)
			return agent.Status{}, &agent.Error{Failure: nodes.Failure{Code: nodes.PortInUse, Text: err.Error(), Port: port}, Err: err}
		}
	}
	b.start(program)
	return b.status, nil
}

// create finds or makes the container, and says what its next life does.
func (r *Runtime) create(c agent.Container) (*box, Program, error) {
	e := r.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	image := c.Workload.Image
	if c.Workload.Pinned != "" {
		image = c.Workload.Pinned
	}
	b := e.boxes[r.owner+" "+c.ID]
	if b != nil && b.status.State != agent.StateRunning && !maps.Equal(b.status.Ports, c.Ports) {
		b = nil // made anew for the other ports
	}
	if b == nil {
		if !e.pulled[image] {
			return nil, Program{}, failure(nodes.ImageNotFound, "no image %s here", image)
		}
		b = e.newBox(r.owner, c)
	}
	lives := e.lives(image)
	if len(lives) == 0 {
		lives = []Program{{}}
	}
	return b, lives[min(b.life, len(lives)-1)], nil
}

// Stop signals, waits and kills.
func (r *Runtime) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	e := r.engine
	if err := e.enter(ctx, "stop", id); err != nil {
		return err
	}
	b := r.get(id)
	if b == nil {
		return nil
	}
	e.locked(func() { b.signal(signal) })
	kill := time.NewTimer(grace)
	defer kill.Stop()
	for {
		var ended bool
		var news chan struct{}
		e.locked(func() { ended, news = b.status.State != agent.StateRunning, b.news })
		if ended {
			return nil
		}
		select {
		case <-news:
		case <-kill.C:
			e.locked(func() { b.exit(137, false) })
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Remove deletes an ended container.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	e := r.engine
	if err := e.enter(ctx, "remove", id); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boxes[r.owner+" "+id]
	if b == nil {
		return nil
	}
	if b.status.State == agent.StateRunning {
		return fmt.Errorf("container %s runs: stop it first", id)
	}
	delete(e.boxes, r.owner+" "+id)
	b.tell()
	return nil
}

// List is what this node has.
func (r *Runtime) List(ctx context.Context) ([]agent.Status, error) {
	e := r.engine
	if err := e.enter(ctx, "list", ""); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []agent.Status
	for _, b := range e.boxes {
		if b.owner == r.owner {
			all = append(all, b.status)
		}
	}
	slices.SortFunc(all, func(x, y agent.Status) int { return strings.Compare(x.ID, y.ID) })
	return all, nil
}

func (r *Runtime) get(id string) (b *box) {
	r.engine.locked(func() { b = r.engine.boxes[r.owner+" "+id] })
	return b
}

// Slots are the slots that run now, sorted: a short answer for tests.
func (r *Runtime) Slots() []schema.Slot {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	var all []schema.Slot
	for _, b := range r.engine.boxes {
		if b.owner == r.owner && b.status.State == agent.StateRunning {
			all = append(all, b.status.Slot)
		}
	}
	slices.SortFunc(all, schema.Slot.Compare)
	return all
}
