package native

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/schema"
)

// box is one container as this process knows it: what its folder says, and who
// minds it.
type box struct {
	id, folder, dir string
	// turn is taken by whoever changes the container: starts it, removes it,
	// finds out what it is. Stop takes it only to let a start come through.
	turn chan struct{}

	mu sync.Mutex
	// there is whether the folder is.
	there   bool
	cfg     bundle.Config
	started *bundle.Started
	exit    *bundle.Exit
	// trouble is why the last start failed.
	trouble string
	// watch is the monitor at work; nil if none is.
	watch *watch
}

func newBox(n names, id string) *box {
	folder := n.folder(id)
	return &box{id: id, folder: folder, dir: n.path(folder), turn: make(chan struct{}, 1)}
}

// take waits for the turn.
func (b *box) take(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *box) give() { <-b.turn }

// running is the monitor at work; nil if the container does not run.
func (b *box) running() *watch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.watch
}

// exists is whether there is a container at all: one may be about to be made.
func (b *box) exists() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.there
}

// config is what the container was made of.
func (b *box) config() bundle.Config {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cfg
}

// status is what the agent hears of it.
func (b *box) status() agent.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := agent.Status{
		ID: b.id, Digest: schema.Digest(b.cfg.Digest), Container: unique(b.folder),
		Error: b.trouble, Ports: maps.Clone(b.cfg.Ports),
	}
	s.Slot, _ = schema.ParseSlot(b.cfg.Slot)
	if s.Ports == nil {
		s.Ports = map[string]int{}
	}
	if b.started == nil {
		return s
	}
	s.Started, s.State = b.started.At, agent.StateRunning
	if b.watch != nil {
		s.Address = b.cfg.Address
		return s
	}
	if b.unsettled() {
		return s // what a killed monitor left is being ended
	}
	s.State = agent.StateExited
	s.Finished, s.ExitCode, s.OOM, s.Lapsed = later(b.exit.At, b.started.At), b.exit.Code, b.exit.OOM, b.exit.Lapsed
	if b.exit.Lost {
		s.Error = "its monitor was killed; how the program ended is not known"
	}
	return s
}

// unsettled is whether nobody yet knows how the last life ended. It needs b.mu, or
// a box that nobody else has.
func (b *box) unsettled() bool {
	return b.watch == nil && b.started != nil && (b.exit == nil || b.exit.Life != b.started.Life)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
