package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// proofOf tells where an update stands that does not go straight on.
func proofOf(r *reconciler.Rollout) *Proof {
	p := Proof{Step: r.Step, Ready: r.Ready, Promoted: r.Promoted}
	if w := r.Want; w != nil && w.Update.Strategy == schema.Canary {
		p.Steps = len(w.Update.Canary)
	}
	if r.Stage == reconciler.Keeping {
		s := r.Want.Update.Sets()
		p.Kept = r.Switched.Add(s.Kept().D())
	}
	if r.Failed != nil {
		p.Failed = *r.Failed
	}
	if p.Ready.IsZero() && p.Kept.IsZero() && p.Promoted == nil && p.Failed == nil && (p.Steps == 0 || r.Stage != reconciler.Rolling) {
		return nil
	}
	return &p
}

// proofEvents tell of steps and sets: was is nil for a new workload.
func proofEvents(was, is *reconciler.Rollout, at time.Time) (events []Event) {
	if was == nil {
		was = &reconciler.Rollout{}
	}
	add := func(serving schema.Digest, format string, a ...any) {
		events = append(events, Event{Time: at, Kind: "rollout", Workload: is.Workload, Commit: is.Commit, Serving: serving, Text: fmt.Sprintf(format, a...)})
	}
	if is.Serving != was.Serving && is.Serving != "" {
		add(is.Serving, "%s: traffic goes to %s", is.Workload, is.Serving.Short())
	}
	same := is.Target == was.Target
	if same && is.Step > was.Step {
		add("", "%s: step %d of %d is done", is.Workload, is.Step, len(is.Want.Update.Canary))
	}
	if !is.Ready.IsZero() && was.Ready.IsZero() {
		add("", "%s: what goes ahead on %s is healthy", is.Workload, is.Target.Short())
	}
	return append(events, failedEvents(was, is, at)...)
}

// failedEvents tell of slots that failed within what the update bears.
func failedEvents(was, is *reconciler.Rollout, at time.Time) (events []Event) {
	if is.Failed == nil || is.Failed == was.Failed || is.Stage != reconciler.Rolling {
		return nil
	}
	known := 0
	if was.Failed != nil && was.Target == is.Target {
		known = len(*was.Failed)
	}
	for _, c := range (*is.Failed)[min(known, len(*is.Failed)):] {
		e := Event{Time: at, Kind: "failure", Workload: is.Workload, Slot: c.Slot.String(), Node: c.Node, Commit: is.Commit,
			Text: fmt.Sprintf("%s; failure %d, of which the update bears %d", c.Text, len(*is.Failed), is.Want.Update.MaxFailures)}
		if c.Failure != nil {
			e.Log = c.Failure.Log
		}
		events = append(events, e)
	}
	return events
}

// lastLines are those of the newest failure.
func lastLines(r *reconciler.Rollout) string {
	if r.Failed == nil || len(*r.Failed) == 0 {
		return ""
	}
	if f := (*r.Failed)[len(*r.Failed)-1].Failure; f != nil {
		return f.Log
	}
	return ""
}

// blueGreenText names the stages of a change of sets.
func blueGreenText(w *schema.Workload, slots int) string {
	s := w.Update.Sets()
	parts := []string{fmt.Sprintf("blueGreen: a new set of %d beside the old one", slots), "healthy for " + s.Soak.String()}
	if s.Manual() {
		parts = append(parts, fmt.Sprintf("then bayplan promote %s within %s", w.Name, s.Within))
	} else {
		parts = append(parts, "then it has the traffic")
	}
	parts = append(parts, "the old set is kept for "+s.Kept().String())
	return strings.Join(parts, ", ") + peakText(w, 2*slots) + portText(w)
}

// canaryText names the steps.
func canaryText(w *schema.Workload, slots int) string {
	parts := make([]string, len(w.Update.Canary))
	for i := range w.Update.Canary {
		s := &w.Update.Canary[i]
		parts[i] = fmt.Sprintf("%d of %d", s.Slots(slots), slots)
		if s.Pause > 0 {
			parts[i] += " for " + s.Pause.String()
		}
		if len(s.Checks) > 0 {
			parts[i] += " checked by " + stepNames(s.Checks)
		}
		if s.Approve {
			parts[i] += fmt.Sprintf(" until bayplan promote %s, within %s", w.Name, s.Within)
		}
	}
	return strings.Join(parts, ", then ") + ", then the rest"
}

// peakText is what the update takes at its highest, all of its instances
// together.
func peakText(w *schema.Workload, instances int) string {
	if w.Kind == schema.Daemon {
		return ""
	}
	n := int64(instances)
	return fmt.Sprintf("; at most %d at once: %s CPU, %s memory", instances, schema.CPU(int64(w.Resources.CPU)*n), schema.Bytes(int64(w.Resources.Memory)*n).Human())
}

// portText tells that fixed ports keep old and new apart.
func portText(w *schema.Workload) string {
	for _, name := range w.FixedPorts() {
		port := w.Ports[name].Host
		if w.Update.Strategy == schema.BlueGreen {
			return fmt.Sprintf("; the new set needs nodes of its own, since both have host port %d", port)
		}
		return fmt.Sprintf("; host port %d lets no two share a node: where no other is free the old one stops first", port)
	}
	return ""
}
