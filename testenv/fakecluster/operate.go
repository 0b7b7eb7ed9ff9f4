package fakecluster

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Operate decides as the real one does, over what the status tells of nodes and
// workloads; of a node what was asked for has happened at once.
func (c *Cluster) Operate(_ context.Context, w reconciler.Wish) (reconciler.Granted, error) {
	c.mu.Lock()
	w.At = c.now
	after, g, err := reconciler.Grant(c.facts(), w)
	if err != nil {
		c.mu.Unlock()
		return g, refusal(err)
	}
	c.grant(&after)
	c.mu.Unlock()
	c.Record(status.Event{Kind: "operator", Workload: g.Workload, Node: g.Node, Actor: w.Actor, Text: g.Text})
	return g, nil
}

func refusal(err error) error {
	var r *reconciler.Refusal
	if errors.As(err, &r) && r.Unknown {
		return errdefs.ErrNotFound.WithMessage(r.Text)
	}
	return errdefs.ErrFailedPrecondition.WithMessage(err.Error())
}

// facts are those of the rollouts, and what the status tells of nodes; the caller
// holds c.mu.
func (c *Cluster) facts() (f reconciler.Facts) {
	f.Rollouts, f.Holds = c.rollouts, c.holds
	for _, n := range c.st.Nodes {
		f.Nodes = append(f.Nodes, reconciler.NodeFact{Name: n.Name})
		if n.Cordon != nil {
			f.Cordons = append(f.Cordons, *n.Cordon)
		}
	}
	return f
}

// grant shows what the facts became; the caller holds c.mu.
func (c *Cluster) grant(f *reconciler.Facts) {
	c.rollouts = f.Rollouts
	c.holds = slices.DeleteFunc(slices.Clone(f.Holds), func(h reconciler.Hold) bool { return !h.Until.After(c.now) })
	c.change(func(s *status.Status) {
		for i := range s.Nodes {
			closeNode(&s.Nodes[i], f)
		}
		for i := range s.Workloads {
			s.Workloads[i].Rollout = c.rollout(&s.Workloads[i])
		}
	})
}

// rollout is a workload's as the status shows it; the caller holds c.mu.
func (c *Cluster) rollout(w *status.Workload) *status.Rollout {
	for i := range c.rollouts {
		r := &c.rollouts[i]
		if r.Workload != w.Name {
			continue
		}
		out := &status.Rollout{Stage: r.Stage, To: r.Target, Commit: r.Commit, Began: r.Began, Reason: r.Reason, Restarts: r.Restarts, Paused: r.Paused, Done: w.Updated, Undo: r.GoodCommit}
		if r.Stage == reconciler.Done {
			out.Undo = r.BeforeCommit
		}
		if at := slices.IndexFunc(c.holds, func(h reconciler.Hold) bool { return h.Workload == w.Name }); at >= 0 {
			out.Hold = &c.holds[at]
		}
		return out
	}
	return nil
}

// accept makes a workload's text the good one; the caller holds c.mu.
func (c *Cluster) accept(w *schema.Workload) {
	commit := c.st.Revision.Commit
	at, known := slices.BinarySearchFunc(c.rollouts, w.Name, func(r reconciler.Rollout, name string) int { return cmp.Compare(r.Workload, name) })
	if !known {
		c.rollouts = slices.Insert(slices.Clone(c.rollouts), at, reconciler.Rollout{Workload: w.Name})
	}
	c.rollouts = slices.Clone(c.rollouts)
	r := &c.rollouts[at]
	if r.Target == w.Digest() {
		return
	}
	r.Before, r.BeforeCommit = r.Good, r.GoodCommit
	r.Want, r.Target, r.Good, r.GoodDigest = w, w.Digest(), w, w.Digest()
	r.Commit, r.GoodCommit, r.Stage, r.Began, r.Reason = commit, commit, reconciler.Done, c.now, ""
}

func closeNode(n *status.Node, f *reconciler.Facts) {
	n.Cordon = nil
	if n.State != "lost" {
		n.State, n.Reason = "ready", ""
	}
	for _, x := range f.Cordons {
		if x.Node != n.Name {
			continue
		}
		n.Cordon = &x
		if n.State == "ready" {
			n.State, n.Reason = map[bool]string{false: "cordoned", true: "draining"}[x.Drain], "by "+x.Actor
		}
	}
}

// SetStage has a workload's rollout at a stage, for a reason.
func (c *Cluster) SetStage(workload string, s reconciler.Stage, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.facts()
	f.Rollouts = slices.Clone(f.Rollouts)
	for i := range f.Rollouts {
		if f.Rollouts[i].Workload == workload {
			f.Rollouts[i].Stage, f.Rollouts[i].Reason = s, reason
		}
	}
	c.grant(&f)
}

// History is the status' commits, and of a workload its present version.
func (c *Cluster) History(_ context.Context, workload string) (*status.History, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &status.History{Schema: status.Schema, Workload: workload, Commits: []status.Revision{}}
	if c.st.Revision.Commit != "" {
		h.Commits = append([]status.Revision{c.st.Revision}, c.st.History...)
	}
	for i := range c.rollouts {
		if r := &c.rollouts[i]; r.Workload == workload {
			h.Rollouts = append(h.Rollouts, reconciler.End{To: r.Target, Commit: r.Commit, Outcome: reconciler.Applied, Began: r.Began, Ended: c.now})
		}
	}
	return h, nil
}
