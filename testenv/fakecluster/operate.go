package fakecluster

import (
	"context"
	"errors"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
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

// facts are what the status tells of them; the caller holds c.mu.
func (c *Cluster) facts() (f reconciler.Facts) {
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
	c.change(func(s *status.Status) {
		for i := range s.Nodes {
			closeNode(&s.Nodes[i], f)
		}
	})
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
