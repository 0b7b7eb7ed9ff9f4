package schema

import (
	"maps"
	"slices"
	"strings"
)

// Volume is a named directory of the node that outlives its containers: the
// slot's own, or one that the node's operator declared.
type Volume struct {
	// Path is where the container sees it.
	Path     string `json:"path"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Host names a folder that the node's operator declared; empty is a folder of
	// the slot's own.
	Host string `json:"host,omitempty"`
	// Size bounds what the slot's own folder holds, on nodes whose file system
	// can; zero is unbounded.
	Size Bytes `json:"size,omitempty"`
}

// OwnsVolumes is whether the workload's slots have folders of their own, which
// are on one node each and have one writer.
func (w *Workload) OwnsVolumes() bool {
	if len(w.Volumes) == 0 { // as of most, and asked for each slot
		return false
	}
	for _, v := range w.Volumes {
		if v.Host == "" {
			return true
		}
	}
	return false
}

// HostVolumeName is the name in an attribute that [HostVolume] made.
func HostVolumeName(attribute string) (name string, is bool) {
	return strings.CutPrefix(attribute, hostVolume)
}

// HostVolume is the attribute by which a node says that it has a host volume:
// "rw", or "ro" for one that nobody may write to.
func HostVolume(name string) string { return hostVolume + name }

const hostVolume = "host-volume."

// The values of [HostVolume], and the attribute that is "true" where the size of
// a volume is enforced.
const (
	HostVolumeWritable = "rw"
	HostVolumeReadOnly = "ro"
	VolumeQuota        = "volume.quota"
)

// hostVolumes are the constraints that the workload's host volumes stand for,
// sorted by the volume's name.
func (w *Workload) hostVolumes() (all []Constraint) {
	for _, name := range slices.Sorted(maps.Keys(w.Volumes)) {
		switch v := w.Volumes[name]; {
		case v.Host == "":
		case v.ReadOnly:
			all = append(all, Constraint{Attribute: HostVolume(v.Host), Op: "exists"})
		default:
			all = append(all, Constraint{Attribute: HostVolume(v.Host), Op: "=", Value: HostVolumeWritable})
		}
	}
	return all
}

func (w *Workload) usesHostVolumes() bool {
	if len(w.Volumes) == 0 {
		return false
	}
	for _, v := range w.Volumes {
		if v.Host != "" {
			return true
		}
	}
	return false
}

// volumes and tmpfs share the container's folders.
func (c *checker) volumes() {
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.w.Volumes)) {
		v := c.w.Volumes[name]
		c.folder(owner, "volumes", "volume", name, v.Path)
		if v.Host != "" && v.Size > 0 {
			c.add([]string{"volumes", name, "size"}, "host volume %q is the node's, and as large as that makes it: leave size out", v.Host)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.w.Tmpfs)) {
		c.folder(owner, "tmpfs", "tmpfs", name, c.w.Tmpfs[name].Path)
	}
}
