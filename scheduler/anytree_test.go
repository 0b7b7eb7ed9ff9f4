package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// anyTree is users in a tree of any shape, of whom some are guaranteed something or
// have nodes of their own, and what they ask for.
func anyTree(rt *rapid.T) (pool scheduler.Pool, users []user, requests []scheduler.Request) {
	for i := range rapid.IntRange(1, 5).Draw(rt, "users") {
		u := user{name: fmt.Sprintf("u%d", i), weight: rapid.IntRange(1, 3).Draw(rt, "weight"), cpu: schema.CPU(rapid.IntRange(0, 9).Draw(rt, "cpu")),
			mem: schema.Bytes(rapid.IntRange(0, 9).Draw(rt, "mem")), slots: rapid.IntRange(0, 9).Draw(rt, "slots")}
		if i > 0 && rapid.Bool().Draw(rt, "below") {
			u.parent = fmt.Sprintf("u%d", rapid.IntRange(0, i-1).Draw(rt, "parent"))
		}
		users = append(users, u)
	}
	pool, requests = contest(rapid.IntRange(1, 3).Draw(rt, "nodes"), 20, 20, users)
	amount := func(what string) *schema.Quantity {
		if rapid.IntRange(0, 2).Draw(rt, what) > 0 {
			return nil
		}
		return &schema.Quantity{CPU: schema.CPU(rapid.IntRange(0, 12).Draw(rt, what)), Memory: schema.Bytes(rapid.IntRange(0, 12).Draw(rt, what))}
	}
	for i := range pool.Tree[1:] {
		p := &pool.Tree[1+i]
		p.Limit, p.Guarantee, p.Lend = amount("limit"), amount("guarantee"), rapid.IntRange(0, 3).Draw(rt, "lends") == 0
	}
	for i := range requests {
		if requests[i].Slot.Index == 0 {
			requests[i].Workload.Revocable = rapid.IntRange(0, 3).Draw(rt, "revocable") == 0
		}
	}
	return pool, users, requests
}

// TestPlace_AnyTree: whatever the pools, no limit is passed, nobody takes what is
// held for others, and nodes hold no more than they have (I3, I19).
func TestPlace_AnyTree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, users, requests := anyTree(rt)
		placed, unplaced := scheduler.Place(pool, requests)
		if len(placed)+len(unplaced) != len(requests) {
			rt.Fatal("requests were lost")
		}
		checkShares(rt, pool, users, placed)
		lent := slices.ContainsFunc(requests, func(r scheduler.Request) bool { return r.Workload.Revocable })
		checkHeld(rt, pool, usedBy(pool.Tree, users, placed), lent)
	})
}

// usedBy is what each pool and its parts hold.
func usedBy(tree scheduler.Tree, users []user, placed []scheduler.Placement) map[string]scheduler.Use {
	use := map[string]scheduler.Use{}
	for _, p := range placed {
		name, _, _ := strings.Cut(p.Slot.Workload, "/")
		u := users[slices.IndexFunc(users, func(u user) bool { return u.name == name })]
		for _, t := range tree {
			if tree.Within(name, t.Name) {
				use[t.Name] = scheduler.Use{CPU: use[t.Name].CPU + u.cpu, Memory: use[t.Name].Memory + u.mem}
			}
		}
	}
	return use
}

func checkShares(rt *rapid.T, pool scheduler.Pool, users []user, placed []scheduler.Placement) {
	onNode := map[string]scheduler.Use{}
	for _, p := range placed {
		name, _, _ := strings.Cut(p.Slot.Workload, "/")
		u := users[slices.IndexFunc(users, func(u user) bool { return u.name == name })]
		onNode[p.Node] = scheduler.Use{CPU: onNode[p.Node].CPU + u.cpu, Memory: onNode[p.Node].Memory + u.mem}
	}
	for name, u := range onNode {
		if u.CPU > 20 || u.Memory > 20 {
			rt.Fatalf("%s holds %v", name, u)
		}
	}
	use := usedBy(pool.Tree, users, placed)
	for _, t := range pool.Tree {
		if u, l := use[t.Name], t.Limit; l != nil && (l.CPU > 0 && u.CPU > l.CPU || l.Memory > 0 && u.Memory > l.Memory) {
			rt.Fatalf("%s has %v, its limit is %v", t.Name, u, *l)
		}
	}
}

// checkHeld: what is used and what is guaranteed and idle is no more than there is;
// where more is promised than there is, no more than that. What is lent counts
// unless it may be in use.
func checkHeld(rt *rapid.T, pool scheduler.Pool, use map[string]scheduler.Use, lent bool) {
	whole := 20 * len(pool.Nodes)
	promised, idle, all := idleIn(pool.Tree, "0-all", nil, lent), idleIn(pool.Tree, "0-all", use, lent), use["0-all"]
	for r, have := range []int{int(all.CPU), int(all.Memory)} {
		if have+idle[r] > max(whole, promised[r]) {
			rt.Fatalf("%d is used and %d guaranteed and idle, of %d, and %d was promised", have, idle[r], whole, promised[r])
		}
	}
}

// idleIn is what is guaranteed to a pool or below it and not used; without what may
// be lent, if that is so.
func idleIn(t scheduler.Tree, name string, use map[string]scheduler.Use, lent bool) (out [2]int) {
	for _, p := range t {
		if p.Parent == name {
			below := idleIn(t, p.Name, use, lent)
			out[0], out[1] = out[0]+below[0], out[1]+below[1]
		}
	}
	if p := t.Find(name); p.Guarantee != nil && !(lent && p.Lend) {
		out[0] = max(out[0], int(p.Guarantee.CPU-use[name].CPU))
		out[1] = max(out[1], int(p.Guarantee.Memory-use[name].Memory))
	}
	return out
}

// ownNodes gives some nodes to parts of the tree, and has some take no work.
func ownNodes(rt *rapid.T, pool *scheduler.Pool, users []user) {
	for i := range pool.Nodes {
		n := &pool.Nodes[i]
		if rapid.IntRange(0, 4).Draw(rt, "closed") == 0 {
			n.Closed = "unreachable"
		}
		if u := rapid.IntRange(-2, len(users)-1).Draw(rt, "node of"); u >= 0 {
			n.Node.Attributes["of"] = users[u].name
		}
	}
	for i := range pool.Tree[1:] {
		p := &pool.Tree[1+i]
		p.Nodes = []schema.Constraint{{Attribute: "of", Op: "=", Value: p.Name}}
	}
}
