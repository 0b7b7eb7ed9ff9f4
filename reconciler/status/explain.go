package status

import (
	"fmt"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// explainEvents is how many of a slot's events an explanation shows.
const explainEvents = 10

// Explain tells why the slot is where it is, or nowhere, from the state, what
// each node would say to it now, and the events. A slot of a workload that does
// not exist is an error.
func Explain(s *Status, verdicts []reconciler.Verdict, slot schema.Slot, events []Event) (Explanation, error) {
	w := s.workload(slot.Workload)
	if w == nil {
		return Explanation{}, errdefs.ErrNotFound.WithMessage(fmt.Sprintf("no workload %s; see: bayplan status", slot.Workload))
	}
	x := Explanation{Schema: Schema, Slot: slot.String(), Instances: []Slot{}, Events: []Event{}}
	for _, i := range w.Slots {
		if i.Slot == x.Slot {
			x.Instances = append(x.Instances, i)
		}
	}
	x.Text = explainText(w, &x, slot)
	if len(x.Instances) == 0 && !w.wants(slot) {
		verdicts = nil // of no use to what nobody wants
	}
	x.Nodes, x.Lines = answersOf(verdicts), answerLines(verdicts)
	if w.Runbook != nil {
		x.Lines = append(x.Lines, w.Runbook.Text)
	}
	for _, p := range s.Problems {
		if p.Subject == x.Slot || p.Subject == w.Name {
			x.Lines = append(x.Lines, p.Text)
			x.Next = nextAfterExplain(p.Next, x.Slot)
		}
	}
	for _, e := range events {
		if e.Slot == x.Slot || e.Kind == "problem" && e.Slot == "" && e.Workload == w.Name {
			x.Events = append(x.Events, e)
		}
	}
	x.Events = x.Events[max(0, len(x.Events)-explainEvents):]
	return x, nil
}

// nextAfterExplain leads on from here where a problem leads here.
func nextAfterExplain(next, slot string) string {
	if strings.HasPrefix(next, "bayplan explain ") {
		return "mend what its node tells and push; all that happened: bayplan events " + slot
	}
	return next
}

func (s *Status) workload(name string) *Workload {
	for i := range s.Workloads {
		if s.Workloads[i].Name == name {
			return &s.Workloads[i]
		}
	}
	return nil
}

// wants is whether the workload has the slot in the version that it steers to.
func (w *Workload) wants(slot schema.Slot) bool {
	return w.Kind != string(schema.Service) || slot.Index < w.Desired
}

func explainText(w *Workload, x *Explanation, slot schema.Slot) string {
	for _, i := range x.Instances {
		if i.Stopping {
			continue
		}
		text := fmt.Sprintf("%s is %s on %s, health %s: %s", i.Slot, i.Phase, i.Node, i.Health, i.Reason)
		if i.Unknown {
			text = fmt.Sprintf("%s is ordered on %s (%s), which is not heard since the server started", i.Slot, i.Node, i.Reason)
		}
		if i.Failure != nil {
			text += "; " + i.Failure.Text
		}
		return text
	}
	switch {
	case len(x.Instances) > 0:
		return fmt.Sprintf("%s is ending on %s: %s", slot, x.Instances[0].Node, x.Instances[0].Reason)
	case !w.wants(slot) && w.Reason != "":
		return fmt.Sprintf("%s is not wanted: %s has %d slots; it is %s: %s", slot, w.Name, w.Desired, w.State, w.Reason)
	case !w.wants(slot):
		return fmt.Sprintf("%s is not wanted: %s has %d slots", slot, w.Name, w.Desired)
	}
	return fmt.Sprintf("%s is nowhere: %s", slot, w.State)
}
