package scheduler

import (
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// DefaultPool is the pool of a node that names none in its "pool" attribute.
const DefaultPool = "default"

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

// Owner is the pool that a node belongs to: the innermost that selects it, or
// else the one that the node names. Of pools that select it and are no parts of
// each other it is the first; then rival is the next.
func (t Tree) Owner(n *nodes.Node, known schema.Patterns) (owner, rival string) {
	for i := range t {
		p := &t[i]
		switch {
		case len(p.Nodes) == 0 || broken(n, p.Nodes, known) >= 0 || t.Within(owner, p.Name):
		case owner == "" || t.Within(p.Name, owner):
			owner = p.Name
		case rival == "":
			rival = p.Name
		}
	}
	if owner == "" {
		owner = n.Attributes["pool"]
	}
	if owner == "" {
		owner = DefaultPool
	}
	return owner, rival
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
// does not tolerate and satisfies every constraint: the rule for where a daemon
// runs and for whether an instance may stay.
func (t Tree) Matches(n *nodes.Node, w *schema.Workload) bool {
	f, _ := refuseRules(n, w, t, nil)
	return f < 0
}

// refuseRules asks the filters that see nothing of a node but its pool and its
// attributes.
func refuseRules(n *nodes.Node, w *schema.Workload, t Tree, known schema.Patterns) (filter int, by int64) {
	if owner, _ := t.Owner(n, known); !t.Within(w.Pool, owner) {
		return filterPool, 0
	}
	return refuseAttributes(n, w, known)
}

func refuseAttributes(n *nodes.Node, w *schema.Workload, known schema.Patterns) (filter int, by int64) {
	if taint(n, w) != "" {
		return filterTaint, 0
	}
	needs := w.Needs()
	if i := broken(n, needs, known); i >= 0 {
		return filterConstraint, int64(len(needs) - i)
	}
	return -1, 0
}

const taintPrefix = "taint."

// taint is the first taint of the node that the workload does not tolerate.
func taint(n *nodes.Node, w *schema.Workload) (first string) {
	for name := range n.Attributes {
		t, is := strings.CutPrefix(name, taintPrefix)
		if is && (first == "" || t < first) && !slices.Contains(w.Tolerates, t) {
			first = t
		}
	}
	return first
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
