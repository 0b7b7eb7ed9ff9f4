package reconciler

import (
	"maps"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// DeleteVolumes deletes what is kept of a slot that is wanted no more. It is of
// "SLOT", or of "SLOT@NODE" where volumes of it are kept on several nodes.
const DeleteVolumes Verb = "delete-volumes"

// deleteVolumes records that the volumes of a tombstone are to be deleted; the
// pass that follows orders it.
func deleteVolumes(f *Facts, w *Wish) (Granted, error) {
	name, node, _ := strings.Cut(w.Of, "@")
	slot, ok := schema.ParseSlot(name)
	if !ok {
		return Granted{}, refuse("%q is no slot: want team/name.0; see: bayplan volume ls", name)
	}
	var kept []int
	var other *VolumeFact
	for i := range f.Volumes {
		v := &f.Volumes[i]
		switch {
		case v.Slot != slot || v.Bare || node != "" && v.Node != node:
		case f.Idle(v):
			kept = append(kept, i)
		default:
			other = v
		}
	}
	switch {
	case len(kept) == 1:
		return f.deleteAt(kept[0], w), nil
	case len(kept) > 1:
		first := &f.Volumes[kept[0]]
		return Granted{}, refuse("volumes of %s are kept on %s and on %s; say which to delete: bayplan volume rm %s@%s", slot, first.Node, f.Volumes[kept[1]].Node, slot, first.Node)
	case other == nil:
		return Granted{}, unknown("no volumes of %s are kept; see: bayplan volume ls", w.Of)
	case other.Deleting != nil:
		return Granted{}, refuse("the volumes of %s on %s are being deleted %s", slot, other.Node, since(other.Deleting.At, other.Deleting.Actor, ""))
	case other.Retired.IsZero():
		return Granted{}, refuse("%s is at home on %s with its volumes; nothing in use is deleted: lower replicas or remove the workload with a commit first", slot, other.Node)
	}
	return Granted{}, refuse("%s has not ended on %s yet; see: bayplan status %s", slot, other.Node, slot.Workload)
}

func (f *Facts) deleteAt(at int, w *Wish) Granted {
	f.Volumes = slices.Clone(f.Volumes)
	v := &f.Volumes[at]
	v.Deleting = &Deleting{Actor: w.Actor, At: w.At}
	text := "the volumes of " + v.Slot.String() + " on " + v.Node
	if len(v.Holds) > 0 {
		text += " (" + strings.Join(slices.Sorted(maps.Keys(v.Holds)), ", ") + ")"
	}
	return Granted{Node: v.Node, Workload: v.Slot.Workload, Text: text + " are deleted " + by(w.Actor, w.Reason), Next: "bayplan volume ls"}
}
