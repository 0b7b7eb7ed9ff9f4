package reconciler

import (
	"fmt"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// poolTroubles tells what is wrong with the pools that only the nodes show: two
// that claim one node, and promises of more than there is.
func (p *pass) poolTroubles() (all []Blocked) {
	tree := p.tree()
	if len(tree) == 0 {
		return nil
	}
	have := map[string]schema.Quantity{}
	for i := range p.nodes {
		n := &p.nodes[i].fact.Node
		h := tree.Home(n, p.known)
		if h.Rival != "" {
			all = append(all, Blocked{Code: "pool-rivals", Text: fmt.Sprintf("node %s is claimed by pools %s and %s; it counts as %s's", n.Name, h.Pool, h.Rival, h.Pool),
				Next: "make one a part of the other, or let their nodes differ"})
		}
		for _, outer := range tree {
			if tree.Within(h.Pool, outer.Name) || tree.Within(outer.Name, h.Pool) {
				q := have[outer.Name]
				have[outer.Name] = q.Plus(schema.Quantity{CPU: n.Allocatable.CPU, Memory: n.Allocatable.Memory})
			}
		}
	}
	for i := range tree {
		if text := overpromised(tree, &tree[i], have[tree[i].Name]); text != "" && len(p.nodes) > 0 {
			all = append(all, Blocked{Code: "pool-promises", Text: text, Next: "lower the guarantees, or add nodes: bayplan node token"})
		}
	}
	return all
}

// overpromised tells where a pool and its parts are guaranteed more than its
// nodes, and those it may share, have.
func overpromised(tree scheduler.Tree, pool *schema.Pool, have schema.Quantity) string {
	want := promised(tree, pool)
	switch {
	case want.CPU > have.CPU:
		return fmt.Sprintf("pool %s is guaranteed %s cpu, and its nodes have %s", pool.Name, want.CPU, have.CPU)
	case want.Memory > have.Memory:
		return fmt.Sprintf("pool %s is guaranteed %s memory, and its nodes have %s", pool.Name, want.Memory.Human(), have.Memory.Human())
	}
	return ""
}

// promised is what is guaranteed to a pool or, if that is more, to its parts.
func promised(tree scheduler.Tree, pool *schema.Pool) (sum schema.Quantity) {
	for i := range tree {
		if tree[i].Parent == pool.Name {
			below := promised(tree, &tree[i])
			sum = sum.Plus(below)
		}
	}
	if g := pool.Guarantee; g != nil {
		sum.CPU, sum.Memory = max(sum.CPU, g.CPU), max(sum.Memory, g.Memory)
	}
	return sum
}
