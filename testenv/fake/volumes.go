package fake

import (
	"context"
	"fmt"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// RemoveVolumes deletes the slot's volumes.
func (r *Runtime) RemoveVolumes(ctx context.Context, slot schema.Slot) error {
	e := r.engine
	if err := e.enter(ctx, "remove volumes", slot.String()); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range e.boxes {
		if b.owner == r.owner && b.spec.Slot == slot {
			return fmt.Errorf("a container of %s is still there", slot)
		}
	}
	for name := range e.volumes {
		if strings.HasPrefix(name, r.owner+" "+slot.String()+" ") {
			delete(e.volumes, name)
		}
	}
	return nil
}
