package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Happened is what the nodes' reports tell beyond those before: instances that
// moved on, failed or went, nodes that joined. A node whose instances were not
// touched is passed over without a look at each. The facts tell which of them are
// a step's own container, none of the workload's instances.
func Happened(facts *reconciler.Facts, before, after nodes.Snapshot, at time.Time) (events []Event) {
	old := before.Nodes
	for i := range after.Nodes {
		n := &after.Nodes[i]
		name := n.Report.Node.Name
		for len(old) > 0 && old[0].Report.Node.Name < name {
			old = old[1:]
		}
		var was nodes.Report
		if len(old) > 0 && old[0].Report.Node.Name == name {
			was = old[0].Report
		} else {
			events = append(events, Event{Time: at, Kind: "node", Node: name, Text: hereText(&n.Report.Node)})
		}
		if was.Node.Trouble != n.Report.Node.Trouble {
			events = append(events, Event{Time: at, Kind: "node", Node: name, Text: troubleText(&n.Report.Node)})
		}
		events = appendInstances(events, reporter{name, facts}, was.Instances, n.Report.Instances, at)
	}
	return events
}

func hereText(n *nodes.Node) string {
	if n.Runtime == "" {
		return n.Name + " reports" // its engine has not said what it is
	}
	return n.Name + " reports: " + n.Runtime
}

func troubleText(n *nodes.Node) string {
	if n.Trouble == "" {
		return n.Name + " is well again"
	}
	return n.Name + ": " + n.Trouble
}

func appendInstances(events []Event, node reporter, before, after []nodes.Instance, at time.Time) []Event {
	if len(before) == len(after) && (len(after) == 0 || &before[0] == &after[0]) {
		return events
	}
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].ID < after[0].ID:
			events = append(events, instanceEvent(node, &before[0], "phase", "is gone", at))
			before = before[1:]
		case len(before) == 0 || after[0].ID < before[0].ID:
			events = appendInstance(events, node, nil, &after[0], at)
			after = after[1:]
		default:
			events = appendInstance(events, node, &before[0], &after[0], at)
			before, after = before[1:], after[1:]
		}
	}
	return events
}

// appendInstance tells what changed of one instance; was is nil for a new one.
func appendInstance(events []Event, node reporter, was, is *nodes.Instance, at time.Time) []Event {
	if was == nil {
		was = &nodes.Instance{}
	}
	if (is.Restarts > was.Restarts || told(is) != nil) && newFailure(told(was), is.Failure) {
		events = append(events, failureEvent(node, is, at))
	}
	if is.Phase != was.Phase || is.Restarts != was.Restarts {
		text := "is " + is.Phase.String()
		if is.Restarts > was.Restarts {
			text += fmt.Sprintf(" (restart %d)", is.Restarts)
		}
		events = append(events, instanceEvent(node, is, "phase", text, at))
	}
	if is.Health != was.Health && (is.Health == nodes.Healthy || is.Health == nodes.Unhealthy) {
		events = append(events, instanceEvent(node, is, "health", "is "+is.Health.String(), at))
	}
	return events
}

func instanceEvent(node reporter, i *nodes.Instance, kind, what string, at time.Time) Event {
	return Event{Time: at, Kind: kind, Workload: i.Slot.Workload, Slot: i.Slot.String(), Node: node.name,
		Text: fmt.Sprintf("%s on %s %s", node.who(i), node.name, what)}
}

// reporter is a node that tells of its instances.
type reporter struct {
	name  string
	facts *reconciler.Facts
}

// who names an instance: its slot, or the step that it is the container of.
func (r reporter) who(x *nodes.Instance) string {
	for i := range r.facts.Nodes {
		if r.facts.Nodes[i].Name != r.name {
			continue
		}
		orders := r.facts.Nodes[i].Assignment.Orders
		for j := range orders {
			if o := &orders[j]; o.ID == x.ID && o.Step != nil {
				return fmt.Sprintf("%s: step %s", x.Slot, o.Step.Name)
			}
		}
	}
	return x.Slot.String()
}

// told is the failure of an instance, without an end that is a good one as far as
// is known: of a life that ended with 0, and after which no other has begun.
func told(i *nodes.Instance) *nodes.Failure {
	f := i.Failure
	if f != nil && f.Code == nodes.Exited && f.ExitCode == 0 && (i.Phase == nodes.Stopped || i.Phase == nodes.Running) {
		return nil
	}
	return f
}

// newFailure is whether is tells more than was. Of a check that fails again and
// again only the first time does.
func newFailure(was, is *nodes.Failure) bool {
	switch {
	case is == nil:
		return false
	case was == nil || was.Code != is.Code:
		return true
	case is.Code == nodes.HealthFailing:
		return is.Count < was.Count
	}
	return !was.At.Equal(is.At)
}

func failureEvent(node reporter, i *nodes.Instance, at time.Time) Event {
	e := instanceEvent(node, i, "failure", "", at)
	e.Text = fmt.Sprintf("%s on %s: %s", node.who(i), node.name, i.Failure.Text)
	return e
}

// Decided is what a pass decided, for the record: orders, outcomes of commits
// and stages of rollouts.
func Decided(before *reconciler.Facts, plan *reconciler.Plan, at time.Time) (events []Event) {
	for i := range plan.Changes {
		commit := ""
		if c := plan.Facts.LastCommit(plan.Facts.RepoOf(plan.Changes[i].Slot.Workload)); c != nil {
			commit = c.Revision.Commit
		}
		events = append(events, changeEvent(&plan.Changes[i], commit, at))
	}
	events = append(events, commitEvents(before.Commits, plan.Facts.Commits, at)...)
	events = append(events, holdEvents(before.Holds, plan.Facts.Holds, at)...)
	events = append(events, drainEvents(before.Cordons, plan.Facts.Cordons, at)...)
	events = append(events, runEvents(before, &plan.Facts, at)...)
	events = append(events, volumeEvents(before.Volumes, plan.Facts.Volumes, at)...)
	return append(events, rolloutEvents(before.Rollouts, plan.Facts.Rollouts, at)...)
}

func changeEvent(c *reconciler.Change, commit string, at time.Time) Event {
	e := Event{Time: at, Kind: "order", Workload: c.Slot.Workload, Slot: c.Slot.String(), Node: c.Node, Commit: commit}
	verb := "placed on"
	if c.Stop {
		e.Kind, verb = "stop", "to stop on"
	}
	e.Text = fmt.Sprintf("%s@%s %s %s: %s", c.Slot, c.Digest.Short(), verb, c.Node, c.Reason)
	if c.Why != "" {
		e.Text += " " + c.Why
	}
	return e
}

var outcomeWords = map[reconciler.Outcome]string{
	reconciler.Applied: "applied", reconciler.NoEffect: "without effect", reconciler.Superseded: "superseded",
	reconciler.Held: "held", reconciler.Failed: "failed", reconciler.RolledBack: "rolled back",
}

// commitEvents tells of commits that are new, have another outcome, or are held
// for another reason.
func commitEvents(before, after []reconciler.Commit, at time.Time) (events []Event) {
	// A commit may come into force again: each time is a record of its own.
	type record struct {
		repo, commit string
		seen         int64
	}
	of := func(c *reconciler.Commit) record { return record{c.Repo, c.Revision.Commit, c.Seen.UnixNano()} }
	was := map[record]*reconciler.Commit{}
	for i := range before {
		was[of(&before[i])] = &before[i]
	}
	for i := range after {
		c := &after[i]
		if old := was[of(c)]; old != nil && old.Outcome == c.Outcome && (c.Outcome != reconciler.Held || old.Reason == c.Reason) {
			continue
		}
		name := "commit " + c.Revision.Short() + ofRepo(c.Repo)
		text := fmt.Sprintf("%s is %s", name, outcomeWords[c.Outcome])
		if c.Outcome == reconciler.Progressing {
			text = fmt.Sprintf("%s by %s: %s", name, c.Revision.Author, c.Revision.Subject)
		}
		switch {
		case strings.HasPrefix(c.Reason, "by "):
			text += " " + c.Reason
		case c.Reason != "":
			text += ": " + c.Reason
		}
		events = append(events, Event{Time: at, Kind: "commit", Commit: c.Revision.Commit, Text: text})
	}
	return events
}

func rolloutEvents(before, after []reconciler.Rollout, at time.Time) (events []Event) {
	for i := range after {
		r := &after[i]
		for len(before) > 0 && before[0].Workload < r.Workload {
			before = before[1:]
		}
		var was *reconciler.Rollout
		if len(before) > 0 && before[0].Workload == r.Workload {
			was = &before[0]
		}
		events = append(events, proofEvents(was, r, at)...)
		events = append(events, courseEvents(was, r, at)...)
		if was != nil && was.Stage == r.Stage && was.Target == r.Target {
			continue
		}
		e := Event{Time: at, Kind: "rollout", Workload: r.Workload, Commit: r.Commit, Text: rolloutText(r)}
		if was != nil && was.Quarantined != nil && r.Stage == reconciler.Reverted {
			e.Text = fmt.Sprintf("%s is on %s; %s stays in quarantine", r.Workload, r.GoodDigest.Short(), r.Target.Short())
		}
		if r.Stage == reconciler.Reverting || r.Stage == reconciler.Stuck {
			e.Log = lastLines(r)
		}
		events = append(events, e)
	}
	return events
}

func rolloutText(r *reconciler.Rollout) string {
	text := r.Workload + " is " + string(r.Stage)
	if r.Want != nil && r.Want.Kind.Runs() {
		return jobText(r)
	}
	switch r.Stage {
	case reconciler.Waiting:
		text = r.Workload + " is to go to " + r.Target.Short() + " after others"
	case reconciler.Rolling:
		text = r.Workload + " goes to " + r.Target.Short()
	case reconciler.Reverting:
		text = r.Workload + " goes back to " + r.GoodDigest.Short()
	case reconciler.Keeping:
		text = r.Workload + " went over to " + r.Target.Short() + "; the old set is kept"
	case reconciler.Done:
		text = r.Workload + " is on " + schema.Digest(r.Target).Short()
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}
