package status

import (
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Input is what a Status is made of: the newest pass and what the shells know
// beside it.
type Input struct {
	Cluster  string
	Observed nodes.Snapshot
	// Facts and Blocked are those of the newest plan.
	Facts   reconciler.Facts
	Blocked []reconciler.Blocked
	Now     time.Time
	Started time.Time
	// Newest is the newest commit's text, as far as it evaluates, whatever
	// became of it; nil where that is not known yet.
	Newest *schema.Spec
	// Refused are why Newest as a whole asks for nothing.
	Refused []string
	// Evaluating is the commit that is being evaluated, if that takes long.
	Evaluating *Evaluating
	// Others are the same of the repositories beside the operators', and Operators is
	// what that one is known by.
	Others    []Text
	Operators Followed
	// Troubles are what the shells met: the repository out of reach, the disk
	// nearly full.
	Troubles []Problem
}

// Of is the cluster's state for people and tools. Every slice is sorted and
// none is nil, so that the JSON has no null where tools expect a list.
func Of(in Input) Status {
	b := &builder{in: in, slots: map[string][]Slot{}}
	b.readNodes()
	s := Status{Schema: Schema, Cluster: in.Cluster, History: []Revision{}, Workloads: b.workloads(), Nodes: b.nodes, Evaluating: in.Evaluating}
	if s.Repos = reposOf(&in); len(s.Repos) > 0 {
		s.Operators = &in.Operators
	}
	for i := len(in.Facts.Commits) - 1; i >= 0; i-- {
		c := &in.Facts.Commits[i]
		if c != in.Facts.LastCommit(c.Repo) {
			s.History = append(s.History, revisionOf(c))
		} else if r := s.newest(c.Repo); r != nil {
			*r = revisionOf(c)
		}
	}
	s.Pools, s.Volumes = b.pools(), volumesOf(&b.in.Facts)
	s.Problems = b.problems(&s)
	return s
}

func revisionOf(c *reconciler.Commit) Revision {
	r := c.Revision
	return Revision{Repo: c.Repo, Commit: r.Commit, Time: r.Time, Author: r.Author, Subject: r.Subject,
		Outcome: c.Outcome, Reason: c.Reason, Removals: c.Removals, Unplanned: c.Unplanned, Approved: approvedBy(c),
		Phases: c.Phases, Causes: c.Causes, Ended: c.Ended, Teams: c.Teams}
}

func approvedBy(c *reconciler.Commit) (all []string) {
	if c.Approved != nil {
		all = append(all, c.Approved.Actor)
	}
	for i := range c.Vouched {
		v := &c.Vouched[i]
		what := "a pinned plan"
		if v.Pull > 0 {
			what = fmt.Sprintf("pull request %d", v.Pull)
		}
		all = append(all, v.Actor+" ("+what+")")
	}
	return all
}

// HistoryOf is what became of commits, and of one workload's rollouts; "" is of
// all.
func HistoryOf(f *reconciler.Facts, workload string) History {
	h := History{Schema: Schema, Workload: workload, Commits: []Revision{}}
	for i := len(f.Commits) - 1; i >= 0; i-- {
		if c := &f.Commits[i]; workload == "" || slices.Contains(c.Touched, workload) {
			h.Commits = append(h.Commits, revisionOf(c))
		}
	}
	h.Rollouts = slices.Clone(f.EndsOf(workload))
	slices.Reverse(h.Rollouts)
	return h
}

type builder struct {
	in    Input
	nodes []Node
	slots map[string][]Slot // by workload
}

func (b *builder) workloads() []Workload {
	all := []Workload{}
	for i := range b.in.Facts.Rollouts {
		all = append(all, b.workload(&b.in.Facts.Rollouts[i]))
	}
	return all
}

func (b *builder) workload(r *reconciler.Rollout) Workload {
	w := Workload{Name: r.Workload, Repo: b.in.Facts.RepoOf(r.Workload), Digest: r.Target, Slots: b.slots[r.Workload]}
	if w.Slots == nil {
		w.Slots = []Slot{}
	}
	if r.Want != nil {
		goal, _ := goalOf(r)
		w.Kind, w.Image, w.Desired = string(r.Want.Kind), r.Want.Source(), b.desired(goal)
	}
	b.count(&w, r)
	w.Serving, w.Proof = r.Serving, proofOf(r)
	w.Runbook = runbookOf(r)
	b.runs(&w, r)
	if r.Want != nil && r.Want.Kind.Runs() {
		w.Desired, w.Healthy, w.Updated = 0, 0, 0
		if len(w.Runs) > 0 && w.Runs[0].Outcome == reconciler.RunUnderWay {
			w.Desired = w.Runs[0].Completions
		}
		w.State, w.Reason = b.runState(&w, r)
		return w
	}
	w.State, w.Reason = b.stateOf(&w, r)
	w.Rollout = b.rollout(&w, r)
	return w
}

func (b *builder) desired(w *schema.Workload) int {
	if w.Kind != schema.Daemon {
		return w.Replicas
	}
	n := 0
	for i := range b.in.Facts.Nodes {
		f := &b.in.Facts.Nodes[i]
		if !b.closedTo(f, w.Name) && reconciler.Matches(b.in.Facts.Spec.Pools, &f.Node, w) {
			n++
		}
	}
	return n
}

// closedTo is whether the node is closed to new work, which a daemon that has
// nothing there would be.
func (b *builder) closedTo(f *reconciler.NodeFact, workload string) bool {
	return cordonOf(b.in.Facts.Cordons, f.Name) != nil && !slices.ContainsFunc(f.Assignment.Orders,
		func(o nodes.Order) bool { return !o.Stop && o.Slot.Workload == workload })
}

// count counts slots, not instances: a slot with an old and a new instance is
// one.
func (b *builder) count(w *Workload, r *reconciler.Rollout) {
	running, healthy, updated, unknown := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range w.Slots {
		s := &w.Slots[i]
		if s.Unknown && !s.Stopping {
			unknown[s.Slot] = true
		}
		if s.Stopping || s.Phase != nodes.Running {
			continue
		}
		running[s.Slot] = true
		if s.Health == nodes.Healthy || s.Health == nodes.NoCheck {
			healthy[s.Slot] = true
			updated[s.Slot] = updated[s.Slot] || s.Digest == r.Target
		}
	}
	w.Running, w.Healthy = len(running), len(healthy)
	for slot := range unknown {
		if !running[slot] {
			w.Unknown++
		}
	}
	for _, is := range updated {
		if is {
			w.Updated++
		}
	}
}
