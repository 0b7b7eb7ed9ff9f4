package status

import (
	"fmt"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// strategyText tells the way of an update in words.
func strategyText(w *schema.Workload) string {
	if w.Update.Strategy == "recreate" {
		return "recreate: all old ones stop before the new ones start"
	}
	n := max(w.Replicas, 1)
	if w.Update.Strategy == schema.Ordered {
		return orderedText(w, n)
	}
	if w.Update.Strategy == schema.BlueGreen {
		return blueGreenText(w, n)
	}
	if w.Kind == schema.Stateful {
		down := max(w.Update.MaxUnavailable.Floor(n), 1)
		if w.Quorum > 0 {
			down = min(down, n-w.Quorum)
		}
		return fmt.Sprintf("rolling: each in place, the highest slot first, %d at a time, healthy for %s", down, w.Update.MinHealthyTime)
	}
	surge, down := w.Update.MaxSurge.Of(n), w.Update.MaxUnavailable.Floor(n)
	if surge == 0 && down == 0 {
		surge = 1
	}
	text := fmt.Sprintf("up to %d beside the old ones, %d unavailable, each healthy for %s", surge, down, w.Update.MinHealthyTime)
	if w.Update.Strategy == schema.Canary {
		return "canary: " + canaryText(w, n) + "; " + text + peakText(w, n+surge) + portText(w)
	}
	return "rolling: " + text + peakText(w, n+surge) + portText(w)
}

// orderedText names the turns and the steps of an ordered update.
func orderedText(w *schema.Workload, slots int) string {
	text := "ordered: each in place, the highest slot first, healthy for " + w.Update.MinHealthyTime.String()
	b := w.Update.Runbook
	if b == nil {
		return text
	}
	parts := []string{text}
	add := func(where string, list []schema.Step) {
		if len(list) > 0 {
			parts = append(parts, where+": "+stepNames(list))
		}
	}
	add("first", b.First)
	for _, p := range w.Update.Turns(slots) {
		if p.Name != "" {
			parts = append(parts, fmt.Sprintf("phase %s, slots %s", p.Name, strings.Trim(fmt.Sprint(p.Slots), "[]")))
		}
		add("before each", p.Before)
		add("after each", p.After)
	}
	add("last", b.Last)
	return strings.Join(parts, "; ")
}

// stepNames are a list's, one after the other; what goes together is joined by +.
func stepNames(list []schema.Step) string {
	text := ""
	for i := range list {
		switch {
		case i > 0 && list[i].Together:
			text += " + "
		case i > 0:
			text += ", "
		}
		text += list[i].Name
	}
	return text
}
