package status

import (
	"fmt"
	"time"

	"github.com/bayplan/bayplan/reconciler"
)

func cordonOf(all []reconciler.Cordon, node string) *reconciler.Cordon {
	for i := range all {
		if all[i].Node == node {
			return &all[i]
		}
	}
	return nil
}

// closedState is the state of a node that is well and closed to new work.
func closedState(c *reconciler.Cordon, f *reconciler.NodeFact) (state, reason string) {
	who := "by " + c.Actor
	if c.Reason != "" {
		who += ": " + c.Reason
	}
	switch {
	case !c.Drained.IsZero():
		return "drained", who
	case !c.Drain:
		return "cordoned", who
	}
	reason = fmt.Sprintf("%d left, %s", len(f.Assignment.Orders), who)
	if !c.Deadline.IsZero() {
		reason += " (until " + c.Deadline.UTC().Format("15:04:05 UTC") + ")"
	}
	return "draining", reason
}

// closedByOperator is whether the node's state is nobody's trouble.
func closedByOperator(state string) bool {
	return state == "cordoned" || state == "draining" || state == "drained"
}

// drainEvents tell of drains that ended.
func drainEvents(before, after []reconciler.Cordon, at time.Time) (events []Event) {
	for i := range after {
		c := &after[i]
		if was := cordonOf(before, c.Node); c.Drained.IsZero() || was != nil && !was.Drained.IsZero() {
			continue
		}
		events = append(events, Event{Time: at, Kind: "node", Node: c.Node,
			Text: fmt.Sprintf("%s is drained: nothing is left on it, after %s", c.Node, c.Drained.Sub(c.At).Round(time.Second))})
	}
	return events
}
