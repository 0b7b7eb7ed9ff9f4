package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// Assign takes over a newer Assignment: it is on disk before anything is done
// about it. An error refuses it, and nothing of it is done.
//
// Where only the disk stands in the way, the agent keeps trying by itself, and
// says so in its Report.
func (a *Agent) Assign(next nodes.Assignment) error {
	a.keeping.Lock()
	defer a.keeping.Unlock()
	held := a.Holds()
	same, err := Admit(a.cfg.Node, held, next)
	if err != nil {
		a.log.Warn("assignment refused", "err", err)
		return err
	}
	if same {
		return nil
	}
	return a.takeOver(next)
}

// takeOver writes an Assignment down, then lives by it. keeping is held.
func (a *Agent) takeOver(next nodes.Assignment) error {
	a.mu.Lock()
	if a.held.Version == (nodes.Version{}) {
		a.local.Distrust(next)
	}
	kept := state{Assignment: next, Settings: a.settings, Memory: a.clock.onDisk(a.local.Memories()), Info: a.info}
	a.mu.Unlock()
	if err := a.store.write(kept); err != nil {
		a.mu.Lock()
		a.refused = &next
		a.setDiskTrouble("an order could not be written down: " + err.Error())
		a.mu.Unlock()
		poke(a.durable)
		return fmt.Errorf("assignment %d.%d: %w", next.Version.Epoch, next.Version.Serial, err)
	}
	a.bind(a.Holds().Orders, next.Orders)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held, a.refused = next, nil
	a.setDiskTrouble("")
	a.tel.assigned(next.Version)
	a.step(Input{})
	a.publish() // Report.Seen is another now
	poke(a.relist)
	return nil
}

// The keeper's rhythm: memories that change together are written together; a
// disk that refuses is asked again.
const (
	keepPause = 50 * time.Millisecond
	keepRetry = 5 * time.Second
)

// keeper writes down what must outlive the agent whenever it changed.
func (a *Agent) keeper(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.durable:
		}
		pause := keepPause
		if err := a.keep(); err != nil {
			a.log.Error("state not written", "err", err)
			poke(a.durable)
			pause = keepRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// keep writes down what the agent lives by, and takes over an Assignment that
// the disk refused before.
func (a *Agent) keep() error {
	a.keeping.Lock()
	defer a.keeping.Unlock()
	a.mu.Lock()
	kept := state{Assignment: a.held, Settings: a.settings, Memory: a.clock.onDisk(a.local.Memories()), Info: a.info}
	refused := a.refused
	a.mu.Unlock()
	if refused != nil && refused.Version.Compare(kept.Assignment.Version) > 0 {
		return a.takeOver(*refused)
	}
	err := a.store.write(kept)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.setDiskTrouble("restarts could not be written down: " + err.Error())
		return err
	}
	a.refused = nil
	a.setDiskTrouble("")
	return nil
}

// setDiskTrouble tells the server that the agent cannot take on more; mu is
// held.
func (a *Agent) setDiskTrouble(text string) {
	if a.diskTrouble != text {
		a.diskTrouble = text
		a.publish()
	}
}
