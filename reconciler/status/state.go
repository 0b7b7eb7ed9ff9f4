package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
)

// stateOf is the workload's one word, and why.
func (b *builder) stateOf(w *Workload, r *reconciler.Rollout) (state, reason string) {
	switch h := holdOf(b.in.Facts.Holds, r.Workload); {
	case h != nil && h.Keep == "":
		return "held", b.blockedText(r.Workload)
	case r.Paused != nil:
		return "paused", b.blockedText(r.Workload)
	}
	if waiting := b.blockedText(r.Workload); waiting != "" && r.Stage == reconciler.Rolling {
		return "waiting", waiting
	}
	trouble := firstFailure(w.Slots)
	switch r.Stage {
	case reconciler.Waiting:
		return "waiting", b.blockedText(r.Workload)
	case reconciler.Rolling:
		if w.Runbook != nil {
			return "rolling", fmt.Sprintf("%s; %d of %d slots are on %s", w.Runbook.Text, w.Updated, w.Desired, r.Target.Short())
		}
		return "rolling", cmp.Or(trouble, fmt.Sprintf("%d of %d slots are on %s", w.Updated, w.Desired, r.Target.Short())+unheard(w, "; "))
	case reconciler.Reverting:
		return "reverting", backReason(r)
	case reconciler.Reverted:
		return "reverted", backReason(r)
	case reconciler.Stuck:
		return "failed", r.Reason
	case reconciler.Removing:
		return "removing", fmt.Sprintf("%d instances are ending", len(w.Slots))
	}
	switch missing := w.Desired - w.Healthy; {
	case missing <= 0:
		return "running", ""
	case missing <= w.Unknown:
		return "unknown", unheard(w, "")
	}
	return "degraded", cmp.Or(trouble, b.blockedText(r.Workload), fmt.Sprintf("%d of %d slots are healthy", w.Healthy, w.Desired)+unheard(w, "; "))
}

// unheard tells of the slots of which nothing is known yet, after a beginning; ""
// where there are none.
func unheard(w *Workload, after string) string {
	if w.Unknown == 0 {
		return ""
	}
	var names []string
	for i := range w.Slots {
		if s := &w.Slots[i]; s.Unknown && !slices.Contains(names, s.Node) {
			names = append(names, s.Node)
		}
	}
	const shown = 3
	slices.Sort(names)
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown:shown], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%s%d of %d slots are on nodes not heard since the server started: %s", after, w.Unknown, w.Desired, strings.Join(names, ", "))
}

func (b *builder) blockedText(workload string) string {
	for i := range b.in.Blocked {
		if x := &b.in.Blocked[i]; x.Workload == workload {
			return x.Text
		}
	}
	return ""
}

// firstFailure is the first slot's that is not well now.
func firstFailure(slots []Slot) string {
	for i := range slots {
		s := &slots[i]
		well := s.Phase == nodes.Running && s.Health != nodes.Unhealthy && s.Health != nodes.HealthUnknown
		if s.Failure != nil && !s.Stopping && !well {
			return s.Slot + " on " + s.Node + ": " + s.Failure.Text
		}
	}
	return ""
}
