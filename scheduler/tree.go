package scheduler

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// DefaultPool is the pool of a node that names none in its "pool" attribute.
const DefaultPool = schema.DefaultPool

// Tree is the pools of a cluster, sorted by name.
type Tree []schema.Pool

// Find is a pool by name; nil if the tree has none of it.
func (t Tree) Find(name string) *schema.Pool {
	i, ok := slices.BinarySearchFunc(t, name, func(p schema.Pool, n string) int { return strings.Compare(p.Name, n) })
	if !ok {
		return nil
	}
	return &t[i]
}

// Home is what a node's attributes say of who may come to it at all.
type Home struct {
	// Pool is the one that the node belongs to: the innermost that claims it. A
	// pool claims what its selector selects and, where it has none, what names it.
	// Of pools that claim it and are no parts of each other it is the first that
	// selects it; then Rival is the next.
	Pool, Rival string
	// Taints are sorted.
	Taints []string
	// policy is what the machine refuses; nil is nothing.
	policy *schema.MachinePolicy
}

// Home reads a node's.
func (t Tree) Home(n *nodes.Node, known schema.Patterns) (h Home) {
	for i := range t {
		p := &t[i]
		switch {
		case len(p.Nodes) == 0 || broken(n, p.Nodes, known) >= 0 || t.Within(h.Pool, p.Name):
		case h.Pool == "" || t.Within(p.Name, h.Pool):
			h.Pool = p.Name
		case h.Rival == "":
			h.Rival = p.Name
		}
	}
	t.named(&h, n.Attributes["pool"])
	for name := range n.Attributes {
		if taint, is := strings.CutPrefix(name, taintPrefix); is {
			h.Taints = append(h.Taints, taint)
		}
	}
	slices.Sort(h.Taints)
	if text, has := n.Attributes[schema.PolicyAttribute]; has {
		if p, is := schema.ParseMachinePolicy(text); is {
			h.policy = &p
		}
	}
	return h
}

// named is the claim of the pool that a node names, which counts for one that is
// selected too if the pool has no selector of its own.
func (t Tree) named(h *Home, name string) {
	p := t.Find(name)
	switch {
	case h.Pool == "":
		h.Pool = cmp.Or(name, DefaultPool)
	case p == nil || len(p.Nodes) > 0 || t.Within(h.Pool, name):
	case t.Within(name, h.Pool):
		h.Pool = name
	case h.Rival == "":
		h.Rival = name
	}
}

// Within is whether pool is outer or a part of it, however deep.
func (t Tree) Within(pool, outer string) bool {
	for range len(t) + 1 {
		if pool == outer {
			return true
		}
		p := t.Find(pool)
		if p == nil || p.Parent == "" {
			return false
		}
		pool = p.Parent
	}
	return false
}

// Matches is whether the node is of the workload's pool, has no taint that it
// does not tolerate, satisfies every constraint and is not refused by its own
// operator: the rule for where a daemon
// runs and for whether an instance may stay. The Home is the node's.
func (t Tree) Matches(h *Home, n *nodes.Node, w *schema.Workload, known schema.Patterns) bool {
	return t.refuse(h, n, w, known) < 0
}

// refuse is the first filter that refuses of those that see nothing of a node but
// its attributes, or −1.
func (t Tree) refuse(h *Home, n *nodes.Node, w *schema.Workload, known schema.Patterns) (filter int) {
	switch {
	case !t.Within(w.Pool, h.Pool):
		return filterPool
	case h.repels(w) != "":
		return filterTaint
	case broken(n, w.Needs(), known) >= 0:
		return filterConstraint
	case h.refusal(w) != "":
		return filterPolicy
	}
	return -1
}

// refusal is why the node's own operator does not have the workload there; ""
// where nothing is against it.
func (h *Home) refusal(w *schema.Workload) string {
	if h.policy == nil {
		return ""
	}
	return h.policy.Refuses(w)
}

const taintPrefix = "taint."

// repels is the first taint that the workload does not tolerate.
func (h *Home) repels(w *schema.Workload) string {
	for _, taint := range h.Taints {
		if !slices.Contains(w.Tolerates, taint) {
			return taint
		}
	}
	return ""
}

// repelling is how many taints the workload does not tolerate.
func (h *Home) repelling(w *schema.Workload) (count int64) {
	for _, taint := range h.Taints {
		if !slices.Contains(w.Tolerates, taint) {
			count++
		}
	}
	return count
}

// broken is the index of the first constraint that the node breaks, or −1.
func broken(n *nodes.Node, cs []schema.Constraint, known schema.Patterns) int {
	for i := range cs {
		if !cs[i].Holds(n.Attributes, known) {
			return i
		}
	}
	return -1
}

// countBroken is how many of the constraints the node breaks.
func countBroken(n *nodes.Node, cs []schema.Constraint, known schema.Patterns) (count int64) {
	for i := range cs {
		if !cs[i].Holds(n.Attributes, known) {
			count++
		}
	}
	return count
}
