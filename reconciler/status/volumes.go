package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Volume is what one node holds of a slot's own volumes.
type Volume struct {
	Slot string `json:"slot"`
	Node string `json:"node"`
	// State is "in use", "kept" or "deleting".
	State string `json:"state"`
	// Holds are the volumes by name with their bounds; "0" is none.
	Holds map[string]schema.Bytes `json:"holds,omitempty"`
	Since time.Time               `json:"since"`
	// Retired is since when no slot wants them; Until is when they are deleted,
	// absent where that is nobody's wish yet.
	Retired time.Time `json:"retired,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	// By is who has them deleted.
	By string `json:"by,omitempty"`
}

// volumesOf are all volumes that the cluster knows of, sorted by slot and node.
func volumesOf(f *reconciler.Facts) (all []Volume) {
	for i := range f.Volumes {
		v := &f.Volumes[i]
		if v.Bare {
			continue
		}
		x := Volume{Slot: v.Slot.String(), Node: v.Node, State: "in use", Holds: v.Holds, Since: v.Since, Retired: v.Retired}
		switch {
		case v.Deleting != nil:
			x.State, x.By = "deleting", v.Deleting.Actor
		case !v.Retired.IsZero():
			x.State = "kept"
			if v.Retain > 0 {
				x.Until = v.Retired.Add(v.Retain.D())
			}
		}
		all = append(all, x)
	}
	return all
}

// volumeEvents tell of tombstones: that they came to be, that their time is over,
// and that they are gone. What an operator has deleted his own event tells of.
func volumeEvents(before, after []reconciler.VolumeFact, at time.Time) (events []Event) {
	if len(before) == len(after) && (len(after) == 0 || &before[0] == &after[0]) {
		return nil
	}
	was := map[string]*reconciler.VolumeFact{}
	for i := range before {
		was[volumeKey(&before[i])] = &before[i]
	}
	for i := range after {
		v := &after[i]
		old := was[volumeKey(v)]
		delete(was, volumeKey(v))
		if text := volumeText(old, v); text != "" {
			events = append(events, volumeEvent(v, text, at))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if v := was[key]; !v.Bare {
			events = append(events, volumeEvent(v, "are gone", at))
		}
	}
	return events
}

func volumeKey(v *reconciler.VolumeFact) string { return v.Slot.String() + "@" + v.Node }

func volumeText(old, v *reconciler.VolumeFact) string {
	switch {
	case old == nil || v.Bare:
	case old.Deleting == nil && v.Deleting != nil && v.Deleting.Actor == reconciler.RetainActor:
		return "are deleted: they were kept for " + v.Retain.String()
	case old.Retired.IsZero() && !v.Retired.IsZero() && v.Retain > 0:
		return "are kept for " + v.Retain.String()
	case old.Retired.IsZero() && !v.Retired.IsZero():
		return "are kept until somebody has them deleted"
	case !old.Retired.IsZero() && v.Retired.IsZero():
		return "are wanted again"
	}
	return ""
}

func volumeEvent(v *reconciler.VolumeFact, what string, at time.Time) Event {
	return Event{Time: at, Kind: "volume", Workload: v.Slot.Workload, Slot: v.Slot.String(), Node: v.Node,
		Text: fmt.Sprintf("the volumes of %s on %s %s", v.Slot, v.Node, what)}
}

// tellVolumes warns of what a commit means for volumes.
func (c *PreviewChange) tellVolumes(old, new *schema.Workload) {
	if old != nil && old.OwnsVolumes() && old.Kind != schema.Daemon {
		from := 0
		if new != nil && new.Kind != schema.Daemon {
			from = new.Replicas
		}
		var slots []string
		for i := from; i < old.Replicas && len(slots) < 4; i++ {
			slots = append(slots, schema.Slot{Workload: old.Name, Index: i}.String())
		}
		if len(slots) > 3 {
			slots[3] = "…"
		}
		if len(slots) > 0 {
			c.Warnings = append(c.Warnings, "the volumes of "+strings.Join(slots, ", ")+" "+keptText(old))
		}
	}
	if new != nil && new.Kind == schema.Stateful && new.OnLost == schema.ReplaceElsewhere && new.OwnsVolumes() {
		c.Warnings = append(c.Warnings, `onLost "replace": the data of a slot is lost with its node`)
	}
}

func keptText(w *schema.Workload) string {
	if w.Retain == 0 {
		return "are kept until somebody has them deleted: bayplan volume rm"
	}
	return "are kept for " + w.Retain.String()
}
