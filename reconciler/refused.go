package reconciler

import (
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// notResolved is whether the image has no digest yet; then nothing is placed,
// whatever else is known of it. Where plan does not tell why, it is that the
// newest commit is not in force and does not have the workload so.
func (p *pass) notResolved(w *want) bool {
	goal, out := w.request.Workload, &p.outcome[w.rollout]
	image := goal.Unpinned()
	if image == "" {
		return false
	}
	if u := p.unresolved(goal.Name); u != nil {
		out.waiting = u.Failure.Text
		return true
	}
	if out.waiting == "" {
		p.blocked = append(p.blocked, Blocked{Workload: goal.Name, Code: "image-unresolved",
			Text: "the digest of its image " + image + " is not known, and the newest commit does not ask for it",
			Next: "push a commit with an image that its registry has; what became of the newest: bayplan status"})
	}
	out.waiting = "its image is not resolved"
	return true
}

// refused records why a want found no place.
func (p *pass) refused(w *want, why *scheduler.Why) {
	if w.away {
		p.stay(w.request.Slot, why.String())
	}
	if w.drains {
		return
	}
	out, text := &p.outcome[w.rollout], why.String()
	out.waiting = w.request.Slot.String() + ": " + text
	switch {
	case w.step != nil: // there is nothing of its own to end first
		text = "step " + w.step.step.Name + ": " + text
		out.waiting = text
	case w.inTurn:
		return
	}
	p.blocked = append(p.blocked, Blocked{Workload: w.request.Workload.Name, Slot: w.request.Slot, Code: "unplaced",
		Text: text, Next: unplacedNext(why, w.request.Slot), Why: why})
}

func unplacedNext(why *scheduler.Why, slot schema.Slot) string {
	if why.Nodes == 0 {
		return "add a node: bayplan node token"
	}
	last := &why.Refusals[len(why.Refusals)-1]
	filter := last.Filter
	if filter == "ending" && why.Never != "" {
		filter = "constraint" // that it ends is of no help
	}
	switch filter {
	case "constraint", "pool":
		if last.Volume != "" {
			return "declare it on a node (bayplan agent --host-volume " + last.Volume + "=FOLDER), or change the workload's volumes"
		}
		return "change the workload's constraints or pool, or give a node the attribute (bayplan agent --attribute)"
	case "port":
		return "let the scheduler choose the host port, lower replicas, or add a node"
	case "closed":
		return "see why the nodes take no work: bayplan node ls"
	case "ending":
		return "it waits for what ends there; see: bayplan explain " + slot.String()
	}
	return "lower the request, lower replicas, or add a node: bayplan node token"
}
