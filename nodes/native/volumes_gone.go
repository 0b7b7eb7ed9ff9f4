package native

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bayplan/bayplan/nodes/native/raze"
	"github.com/bayplan/bayplan/schema"
)

// RemoveVolumes takes the slot's folder of volumes away under a name that no slot
// has, and returns once all in it is gone. What a crash leaves of one the next
// call for the slot clears.
func (r *Runtime) RemoveVolumes(ctx context.Context, slot schema.Slot) error {
	return explain("deleting the volumes of "+slot.String(), r.removeVolumes(ctx, slot))
}

func (r *Runtime) removeVolumes(ctx context.Context, slot schema.Slot) error {
	all, err := r.List(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Slot == slot {
			return fmt.Errorf("a container of %s is still there", slot)
		}
	}
	dir, name := filepath.Split(r.names.volumes(slot))
	gone := filepath.Join(dir, gonePrefix+name)
	if err := raze.All(gone); err != nil {
		return err
	}
	err = os.Rename(filepath.Join(dir, name), gone)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.step("volumes gone")
	return raze.All(gone)
}
