package native

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/quota"
	"github.com/bayplan/bayplan/schema"
)

// volumes are the slot's own and the node's, in the order of their names.
func (r *Runtime) volumes(c agent.Container) ([]bundle.Mount, error) {
	var all []bundle.Mount
	for _, name := range slices.Sorted(maps.Keys(c.Workload.Volumes)) {
		v := c.Workload.Volumes[name]
		m := bundle.Mount{Source: r.names.volume(c.Slot, name), Target: v.Path, ReadOnly: v.ReadOnly, Fill: true, Size: r.bound(c.Slot, name, v)}
		if v.Host != "" {
			source, err := r.hostVolume(v)
			if err != nil {
				return nil, err
			}
			m.Source, m.Fill, m.Declared = source, false, true
		}
		all = append(all, m)
	}
	return all, nil
}

// bound is the size that is enforced; a node that cannot says so.
func (r *Runtime) bound(slot schema.Slot, name string, v schema.Volume) int64 {
	if v.Size == 0 {
		return 0
	}
	if err := quota.Offered(r.names.dir); err != nil {
		r.cfg.Log.Warn("a volume without a bound", "workload", slot.Workload, "slot", slot.String(), "volume", name, "size", v.Size.String(), "err", err)
		return 0
	}
	return int64(v.Size)
}

func (r *Runtime) hostVolume(v schema.Volume) (path string, err error) {
	found, err := r.cfg.HostVolumes.Find(v)
	if err != nil {
		return "", err
	}
	return found.Path, found.Check(v.Host)
}

// makeVolumes makes the folders that the container's volumes are in. The volumes
// themselves the monitor makes, which sees the image whole: each begins as what
// the image has in its place.
func makeVolumes(all []bundle.Mount) error {
	for _, m := range all {
		if !m.Fill {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(m.Source), 0o711); err != nil {
			return fmt.Errorf("volume at %s: %w", m.Target, err)
		}
	}
	return nil
}

// full are the volumes that hold all that they may, by name with the bound. A
// program that meets a bound hears so from the kernel; who runs it does not.
func (r *Runtime) full(cfg bundle.Config) []string {
	var all []string
	for _, m := range cfg.Mounts {
		if m.Size <= 0 || !m.Fill {
			continue
		}
		if u, err := quota.Of(m.Source); err == nil && u.Full() {
			all = append(all, fmt.Sprintf("%s (%s)", filepath.Base(m.Source), schema.Bytes(u.Limit).Human()))
		}
	}
	return all
}
