package reconciler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	have, rivals := map[string]schema.Quantity{}, map[rivalry][]string{}
	for i := range p.nodes {
		n := &p.nodes[i].fact.Node
		h := tree.Home(n, p.known)
		if h.Rival != "" {
			pair := rivalry{h.Pool, h.Rival}
			rivals[pair] = append(rivals[pair], n.Name)
		}
		for _, outer := range tree {
			if tree.Within(h.Pool, outer.Name) || tree.Within(outer.Name, h.Pool) {
				q := have[outer.Name]
				have[outer.Name] = q.Plus(schema.Quantity{CPU: n.Allocatable.CPU, Memory: n.Allocatable.Memory})
			}
		}
	}
	all = append(all, rivalTroubles(rivals)...)
	for i := range tree {
		if text := overpromised(tree, &tree[i], have[tree[i].Name]); text != "" && len(p.nodes) > 0 {
			all = append(all, Blocked{Code: "pool-promises", Text: text, Next: "lower the guarantees, or add nodes: bayplan node token"})
		}
	}
	return all
}

// rivalry is two pools, no parts of each other, that claim the same nodes; these
// count as the first one's.
type rivalry struct{ pool, rival string }

// rivalTroubles is one trouble for two pools, however many nodes both claim.
func rivalTroubles(rivals map[rivalry][]string) (all []Blocked) {
	pairs := slices.SortedFunc(maps.Keys(rivals), func(a, b rivalry) int {
		return cmp.Or(cmp.Compare(a.pool, b.pool), cmp.Compare(a.rival, b.rival))
	})
	for _, pair := range pairs {
		names, subject, verb, it := rivals[pair], "node", "is", "it counts"
		if len(names) > 1 {
			subject, verb, it = "nodes", "are", "they count"
		}
		text := fmt.Sprintf("%s %s %s claimed by pools %s and %s; %s as %s's", subject, someNames(names), verb, pair.pool, pair.rival, it, pair.pool)
		all = append(all, Blocked{Code: "pool-rivals", Text: text, Next: "make one a part of the other, or let their nodes differ"})
	}
	return all
}

// someNames are all of a few names, or the first of many.
func someNames(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
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
