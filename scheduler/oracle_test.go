package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// plainly is Place without an index: each request looks at every node, by the
// one feasibility function and the one score.
func plainly(pool scheduler.Pool, requests []scheduler.Request) (lines []string) {
	left := slices.Clone(pool.Nodes)
	for i := range left {
		left[i].Slots = mapsClone(left[i].Slots)
	}
	for i := range requests {
		r := &requests[i]
		best, top := -1, scheduler.Score{}
		for j := range left {
			if ok, _, _ := feasible(&left[j], r); !ok {
				continue
			}
			s := weigh(&left[j], r)
			if best < 0 || s.Total() > top.Total() || s.Total() == top.Total() && crowd(&left[j], r) < crowd(&left[best], r) {
				best, top = j, s
			}
		}
		if best < 0 {
			lines = append(lines, r.Slot.String()+" nowhere")
			continue
		}
		lines = append(lines, fmt.Sprint(r.Slot, " ", left[best].Node.Name, " ", top))
		got, _ := scheduler.Place(scheduler.Pool{Nodes: left[best : best+1]}, []scheduler.Request{*r})
		n := &left[best]
		n.Reserved = n.Reserved.Plus(nodes.Capacity{CPU: r.Workload.Resources.CPU, Memory: r.Workload.Resources.Memory})
		n.Ports = slices.Clone(n.Ports)
		for _, p := range got[0].Ports {
			n.Ports = append(n.Ports, p)
		}
		slices.Sort(n.Ports)
		n.Slots[r.Workload.Name]++
	}
	return lines
}

func crowd(n *scheduler.Node, r *scheduler.Request) int {
	k := n.Slots[r.Workload.Name]
	if r.Leaves == n.Node.Name {
		k--
	}
	return max(k, 0)
}

func mapsClone(m map[string]int) map[string]int {
	out := map[string]int{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// TestPlace_IsTheBestOfAll: the index leads to the very node that looking at
// every node would, whatever the requests ask, in groups or one by one.
func TestPlace_IsTheBestOfAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, requests := oddPool(rt), oddRequests(rt)
		checkBest(rt, pool, requests, plainly(pool, requests))
	})
}

// checkBest compares with the places that asking every node in turn finds, unless
// more of the requests have one.
func checkBest(t *rapid.T, pool scheduler.Pool, requests []scheduler.Request, want []string) {
	t.Helper()
	placed, unplaced := scheduler.Place(pool, requests)
	checkPlaced(t, pool, requests, placed, unplaced)
	in := 0
	for _, line := range want {
		if !strings.HasSuffix(line, " nowhere") {
			in++
		}
	}
	if len(placed) > in {
		return
	}
	for i := range requests {
		got := requests[i].Slot.String() + " nowhere"
		if len(placed) > 0 && placed[0].Slot == requests[i].Slot {
			got = fmt.Sprint(placed[0].Slot, " ", placed[0].Node, " ", placed[0].Score)
			placed = placed[1:]
		}
		if got != want[i] {
			t.Fatalf("%d: got %s, want %s", i, got, want[i])
		}
	}
}

var oddNames = []string{"a/one", "a/two", "b/three"}

func oddPool(t *rapid.T) (p scheduler.Pool) {
	for i := range rapid.IntRange(1, 14).Draw(t, "nodes") {
		n := node(fmt.Sprintf("n%02d", i))
		n.Node.Attributes = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone")}
		n.Node.Allocatable.CPU += schema.CPU(rapid.SampledFrom([]int{0, 0, 1, 700, 6000}).Draw(t, "more"))
		n.Node.Allocatable.Memory += schema.Bytes(rapid.SampledFrom([]int{0, 0, 4096, 1 << 30}).Draw(t, "more memory"))
		n.Reserved = nodes.Capacity{CPU: schema.CPU(rapid.SampledFrom([]int{0, 0, 300, 2500}).Draw(t, "cpu")), Memory: schema.Bytes(rapid.SampledFrom([]int{0, 0, 1 << 30}).Draw(t, "memory"))}
		if rapid.IntRange(0, 9).Draw(t, "closed") == 0 {
			n.Closed, n.Keeps = "unreachable", rapid.Bool().Draw(t, "keeps")
		}
		n.Slots = map[string]int{rapid.SampledFrom(oddNames).Draw(t, "slots of"): rapid.IntRange(0, 2).Draw(t, "slots")}
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

func oddRequests(t *rapid.T) (all []scheduler.Request) {
	for range rapid.IntRange(1, 8).Draw(t, "groups") {
		w := work(rapid.SampledFrom(oddNames).Draw(t, "workload"))
		w.Resources.CPU = schema.CPU(rapid.SampledFrom([]int{0, 100, 150, 700}).Draw(t, "cpu"))
		w.Resources.Memory = schema.Bytes(rapid.SampledFrom([]int{0, 1 << 28, 1 << 29}).Draw(t, "memory"))
		if rapid.IntRange(0, 3).Draw(t, "constrained") == 0 {
			w.Constraints = []schema.Constraint{{Attribute: "zone", Op: "!=", Value: "b"}}
		}
		if rapid.IntRange(0, 3).Draw(t, "port") == 0 {
			w.Ports = map[string]schema.Port{"http": {Container: 80, Host: rapid.SampledFrom([]int{0, 8080}).Draw(t, "host")}}
		}
		r := request(w, 0)
		name := func() string { return fmt.Sprintf("n%02d", rapid.IntRange(0, 13).Draw(t, "node")) }
		if rapid.IntRange(0, 2).Draw(t, "special") == 0 {
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0:
				r.Leaves = name()
			case 1:
				r.Avoid = []string{name(), name()}
			case 2:
				r.Except = []string{name()}
			case 3:
				r.Only, r.Home = name(), rapid.Bool().Draw(t, "home")
			}
		}
		for range rapid.IntRange(1, 12).Draw(t, "slots") {
			r.Slot.Index = len(all)
			if r.Leaves != "" && rapid.Bool().Draw(t, "another") {
				r.Leaves = name()
			}
			all = append(all, r)
		}
	}
	return all
}
