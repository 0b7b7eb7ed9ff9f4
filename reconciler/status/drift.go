package status

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Drift is where what runs is not what the repository asks for: the answer of
// `bayplan drift`.
type Drift struct {
	Schema string `json:"schema"`
	// Commit is the newest one that the server knows.
	Commit string `json:"commit"`
	// Items are sorted by workload and slot; those of the whole come first.
	Items []DriftItem `json:"items"`
}

// DriftItem is one difference, with its cause.
type DriftItem struct {
	Workload string `json:"workload,omitempty"`
	Slot     string `json:"slot,omitempty"`
	Node     string `json:"node,omitempty"`
	// Kind is "commit" (the newest is not in force), "missing", "other" (another
	// version runs), "extra", "unhealthy" or "unknown" (its node is not heard).
	Kind string `json:"kind"`
	// Desired and Running are what differs, in words.
	Desired string `json:"desired"`
	Running string `json:"running"`
	// Cause is why, Next what to type or do about it; Next may be empty.
	Cause string `json:"cause"`
	Next  string `json:"next,omitempty"`
}

// DriftOf lists the differences of the workloads that match, and where match is
// empty those of the whole; match is a workload or a team.
func DriftOf(s *Status, match string) Drift {
	d := Drift{Schema: Schema, Commit: s.Revision.Commit, Items: []DriftItem{}}
	if match == "" {
		d.commit(s, &s.Revision)
		for i := range s.Repos {
			d.commit(s, &s.Repos[i].Revision)
		}
	}
	for i := range s.Workloads {
		w := &s.Workloads[i]
		if match == "" || w.Name == match || strings.HasPrefix(w.Name, strings.TrimSuffix(match, "/")+"/") {
			d.workload(s, w)
		}
	}
	return d
}

// commit tells of a newest commit that is not in force as a whole.
func (d *Drift) commit(s *Status, r *Revision) {
	switch r.Outcome {
	case reconciler.Held, reconciler.Failed, reconciler.RolledBack:
		d.Items = append(d.Items, DriftItem{Kind: "commit", Desired: "commit " + short(r.Commit) + ofRepo(r.Repo), Running: string(r.Outcome),
			Cause: cmp.Or(r.Reason, "the commit ended as "+string(r.Outcome)), Next: "bayplan status"})
		if at := slices.IndexFunc(s.Problems, func(p Problem) bool { return p.Code == "held" && p.Subject == r.Commit }); at >= 0 && r.Outcome == reconciler.Held {
			d.Items[len(d.Items)-1].Next = s.Problems[at].Next
		}
	}
}

// workload tells slot by slot what differs.
func (d *Drift) workload(s *Status, w *Workload) {
	if schema.Kind(w.Kind).Runs() {
		return // its runs come and go, and none has to be there
	}
	there := map[string]bool{}
	for i := range w.Slots {
		x := &w.Slots[i]
		there[x.Slot] = there[x.Slot] || !x.Stopping && x.Digest == w.Digest
	}
	for i := range w.Slots {
		d.slot(s, w, &w.Slots[i], there[w.Slots[i].Slot])
	}
	if schema.Kind(w.Kind) == schema.Daemon {
		return
	}
	for i := range w.Desired {
		slot := schema.Slot{Workload: w.Name, Index: i}.String()
		if slices.ContainsFunc(w.Slots, func(x Slot) bool { return x.Slot == slot }) {
			continue
		}
		d.add(s, w, DriftItem{Slot: slot, Kind: "missing", Desired: w.Digest.Short(), Running: "nothing"}, "")
	}
}

// slot tells of one instance; current is whether its slot has the wanted one.
func (d *Drift) slot(s *Status, w *Workload, x *Slot, current bool) {
	item := DriftItem{Slot: x.Slot, Node: x.Node, Desired: w.Digest.Short(), Running: x.Digest.Short()}
	failure := ""
	if x.Failure != nil {
		failure = x.Failure.Text
	}
	switch slot, _ := schema.ParseSlot(x.Slot); {
	case x.Unknown, silentNode(s, x.Node) != "":
		item.Kind, item.Running = "unknown", "not known"
		failure = cmp.Or(silentNode(s, x.Node), "node "+x.Node+" was not heard since the server started")
	case x.Stopping && current:
		return // the old one of a slot that has the new one
	case x.Stopping, slot.Index >= w.Desired && schema.Kind(w.Kind) != schema.Daemon:
		item.Kind, item.Desired = "extra", "nothing"
		failure = cmp.Or(failure, x.Reason)
	case x.Digest != w.Digest:
		if item.Kind = "other"; current {
			item.Kind, item.Desired = "extra", "nothing beside "+item.Desired
		}
	case x.Phase != nodes.Running || x.Health == nodes.Unhealthy:
		item.Kind, item.Desired, item.Running = "unhealthy", "running", x.Phase.String()
		if x.Phase == nodes.Running {
			item.Desired, item.Running = "healthy", x.Health.String()
		}
	default:
		return
	}
	d.add(s, w, item, failure)
}

// silentNode is why nothing is known of a node now; empty for one that is heard.
func silentNode(s *Status, node string) string {
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Name == node && (n.State == "unreachable" || n.State == "lost") {
			return "node " + node + " is " + n.State + ": " + n.Reason
		}
	}
	return ""
}

// add names the cause: what the slot met, else why its workload is as it is.
func (d *Drift) add(s *Status, w *Workload, item DriftItem, failure string) {
	waits := ""
	if r := w.Rollout; r != nil {
		waits, item.Next = cmp.Or(r.Waits, r.Reason), r.Next
	}
	item.Workload = w.Name
	item.Cause = cmp.Or(failure, problem(s, item.Slot).Text, w.Reason, waits, problem(s, w.Name).Text, "the workload is "+w.State)
	item.Next = cmp.Or(next(s, item.Slot, ""), item.Next, next(s, w.Name, "bayplan explain "+item.Slot))
	d.Items = append(d.Items, item)
}

// problem is the first about a subject; empty where there is none.
func problem(s *Status, subject string) Problem {
	for _, p := range s.Problems {
		if p.Subject == subject && subject != "" {
			return p
		}
	}
	return Problem{}
}

func next(s *Status, subject, otherwise string) string {
	return cmp.Or(problem(s, subject).Next, otherwise)
}
