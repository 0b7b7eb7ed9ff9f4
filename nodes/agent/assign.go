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
	same, err := admit(a.cfg.Node, held, next)
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
		a.local.distrust(next)
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

// admit says whether next may follow held, and whether it is the same again.
func admit(node string, held, next nodes.Assignment) (same bool, err error) {
	if next.Node != node {
		return false, fmt.Errorf("assignment for node %q reached node %q", next.Node, node)
	}
	if err := wellFormed(next.Orders); err != nil {
		return false, err
	}
	if err := deletesNothingUsed(&next); err != nil {
		return false, err
	}
	switch c := next.Version.Compare(held.Version); {
	case c < 0:
		return false, fmt.Errorf("assignment %d.%d is older than %d.%d, by which node %s lives: it comes from a former leader",
			next.Version.Epoch, next.Version.Serial, held.Version.Epoch, held.Version.Serial, node)
	case c > 0:
		return false, nil
	case held.Sum() != next.Sum():
		return false, fmt.Errorf("assignment %d.%d came twice with different orders", next.Version.Epoch, next.Version.Serial)
	}
	return true, nil
}

// wellFormed is what Step relies on.
func wellFormed(orders []nodes.Order) error {
	for i := range orders {
		o := &orders[i]
		switch {
		case o.ID == "" || o.ID != nodes.InstanceID(o.Slot, o.Digest):
			return fmt.Errorf("order %q is not named for slot %s and digest %s", o.ID, o.Slot, o.Digest.Short())
		case i > 0 && orders[i-1].ID >= o.ID:
			return fmt.Errorf("orders %q and %q are not sorted", orders[i-1].ID, o.ID)
		case o.Workload == nil && !o.Stop && (o.Step == nil || o.Step.On == ""):
			return fmt.Errorf("order %q has no workload", o.ID)
		case o.Workload != nil && o.Workload.Name != o.Slot.Workload:
			return fmt.Errorf("order %q is for workload %q", o.ID, o.Workload.Name)
		}
	}
	return nil
}

// deletesNothingUsed refuses to delete the volumes of what is to run (I18).
func deletesNothingUsed(a *nodes.Assignment) error {
	for i, d := range a.Deletions {
		if i > 0 && a.Deletions[i-1].Slot.Compare(d.Slot) >= 0 {
			return fmt.Errorf("the deletions of the volumes of %s and %s are not sorted", a.Deletions[i-1].Slot, d.Slot)
		}
		for k := range a.Orders {
			if o := &a.Orders[k]; o.Slot == d.Slot && !o.Stop {
				return fmt.Errorf("order %q is to run, and its volumes are to be deleted", o.ID)
			}
		}
	}
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
