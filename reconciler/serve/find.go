package serve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// instance is one container as a Consoles call names it.
type instance struct {
	node, id string
	slot     *status.Slot
}

// key tells instances apart: one ID may be on two nodes after a loss.
func (i instance) key() string { return i.node + " " + i.id }

// target is a workload or one slot of it.
type target struct {
	workload string
	// slot is "" for all of the workload's.
	slot string
	// container is one of the slot's by name; "" is the main one.
	container string
}

// inside is the instance's ID for one of its containers.
func inside(id, container string) string {
	if container == "" {
		return id
	}
	return id + "+" + container
}

// find reads "team/name" or "team/name.0". A workload's own name wins over the
// slot that it could also be read as.
func (s *server) find(st *status.Status, of string) (target, error) {
	if of == "" {
		return target{}, invalid("name a workload or a slot; see `bayplan status`")
	}
	if w := byName(st, of); w != nil {
		return target{workload: of}, nil
	}
	if slot, ok := schema.ParseSlot(of); ok && byName(st, slot.Workload) != nil {
		return target{workload: slot.Workload, slot: of}, nil
	}
	return target{}, s.noWorkload(st, of)
}

// instances are the target's as st shows them, in its order.
func (t target) instances(st *status.Status) []instance {
	w := byName(st, t.workload)
	if w == nil {
		return nil
	}
	var all []instance
	for i := range w.Slots {
		x := &w.Slots[i]
		if t.slot != "" && t.slot != x.Slot {
			continue
		}
		if slot, ok := schema.ParseSlot(x.Slot); ok {
			all = append(all, instance{x.Node, inside(nodes.InstanceID(slot, x.Digest), t.container), x})
		}
	}
	return all
}

// past are the newest attempts of the target's runs that are shown no more, oldest
// run first: they were stopped, and their nodes keep the end of what they wrote.
func (t target) past(st *status.Status) (all []instance) {
	w := byName(st, t.workload)
	if w == nil {
		return nil
	}
	shown := map[string]bool{}
	for _, in := range t.instances(st) {
		shown[in.node+" "+in.id] = true
	}
	for k := range slices.Backward(w.Runs) {
		for i := range w.Runs[k].Slots {
			x := &w.Runs[k].Slots[i]
			id := inside(x.Instance, t.container)
			if x.Instance == "" || t.slot != "" && t.slot != x.Slot || shown[x.Node+" "+id] {
				continue
			}
			all = append(all, instance{x.Node, id, &status.Slot{Slot: x.Slot, Node: x.Node, Phase: nodes.Stopped}})
		}
	}
	return all
}

func byName(st *status.Status, name string) *status.Workload {
	for i := range st.Workloads {
		if st.Workloads[i].Name == name {
			return &st.Workloads[i]
		}
	}
	return nil
}

// workloadOf is the workload that a problem's or event's subject belongs to.
func workloadOf(st *status.Status, subject string) *status.Workload {
	if w := byName(st, subject); w != nil {
		return w
	}
	slot, _ := schema.ParseSlot(subject)
	return byName(st, slot.Workload)
}

// noWorkload says that nothing has that name, and which names there are.
func (s *server) noWorkload(st *status.Status, name string) error {
	if len(st.Workloads) == 0 {
		return notFound("there is no workload %s: this cluster has none yet", name)
	}
	const shown = 8 // enough to see the pattern of names, short enough for a line
	var names []string
	for _, w := range st.Workloads[:min(shown, len(st.Workloads))] {
		names = append(names, w.Name)
	}
	more := ""
	if n := len(st.Workloads) - shown; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return notFound("there is no workload %s; there are %s%s", name, strings.Join(names, ", "), more)
}
