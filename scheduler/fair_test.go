package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// smallContest is users with equal weights and no end of tasks on one node.
func smallContest(t *rapid.T) (cpu, mem int, users []user) {
	cpu, mem = rapid.IntRange(50, 300).Draw(t, "cpu"), rapid.IntRange(50, 300).Draw(t, "mem")
	for i := range rapid.IntRange(2, 4).Draw(t, "users") {
		users = append(users, user{fmt.Sprintf("u%d", i), "", 1, schema.CPU(rapid.IntRange(1, 5).Draw(t, "task cpu")), schema.Bytes(rapid.IntRange(1, 5).Draw(t, "task mem")), 300})
	}
	return cpu, mem, users
}

func tasksOf(cpu, mem int, users []user) map[string]int {
	pool, requests := contest(1, schema.CPU(cpu), schema.Bytes(mem), users)
	placed, _ := scheduler.Place(pool, requests)
	got := map[string]int{}
	for _, p := range placed {
		got[p.Slot.Workload[:2]]++
	}
	return got
}

// TestPlace_SharingIncentive: each user's dominant share is what an equal part of
// the nodes would be, but for one task of each user that comes whole.
func TestPlace_SharingIncentive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cpu, mem, users := smallContest(rt)
		got := tasksOf(cpu, mem, users)
		whole := 0.0
		task := func(u user) float64 { return max(float64(u.cpu)/float64(cpu), float64(u.mem)/float64(mem)) }
		for _, u := range users {
			whole += task(u)
		}
		for _, u := range users {
			share := float64(got[u.name]) * task(u)
			if share*float64(len(users)) < 1-whole-1e-9 {
				rt.Fatalf("%s has %d tasks, a share of %.3f: %v of %d, %d", u.name, got[u.name], share, users, cpu, mem)
			}
		}
	})
}

// TestPlace_StrategyProof: who asks for more than a task needs gets no more of
// them done, but for what tasks that come whole may give.
func TestPlace_StrategyProof(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cpu, mem, users := smallContest(rt)
		honest := tasksOf(cpu, mem, users)[users[0].name]
		lie := slices.Clone(users)
		lie[0].cpu += schema.CPU(rapid.IntRange(0, 4).Draw(rt, "more cpu"))
		lie[0].mem += schema.Bytes(rapid.IntRange(0, 4).Draw(rt, "more mem"))
		if got := tasksOf(cpu, mem, lie)[users[0].name]; got > honest+1 {
			rt.Fatalf("%d tasks by asking %v, %d by asking %v", got, lie[0], honest, users[0])
		}
	})
}

// TestPlace_AnotherNode: a node more never takes a place away from requests of
// one size, however many.
func TestPlace_AnotherNode(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool := oddPool(rt)
		w := work(oddNames[0])
		w.Resources.CPU = schema.CPU(rapid.SampledFrom([]int{100, 700, 1900}).Draw(rt, "cpu"))
		w.Resources.Memory = schema.Bytes(rapid.SampledFrom([]int{1 << 28, 1 << 31}).Draw(rt, "memory"))
		if rapid.Bool().Draw(rt, "bound") {
			w.MaxPer = map[string]int{"node": rapid.IntRange(1, 3).Draw(rt, "most")}
		}
		var requests []scheduler.Request
		for i := range rapid.IntRange(1, 40).Draw(rt, "slots") {
			requests = append(requests, request(w, i))
		}
		before, _ := scheduler.Place(pool, requests)
		more := node(fmt.Sprintf("n%02d", rapid.IntRange(20, 30).Draw(rt, "new")))
		pool.Nodes = append(pool.Nodes, more)
		if after, _ := scheduler.Place(pool, requests); len(after) < len(before) {
			rt.Fatalf("%d places, and %d with a node more", len(before), len(after))
		}
	})
}

// TestPlace_LeavesOutNothing: of requests of one size or many, with neighbours and
// ports, as many get a place as any way of placing them in their order could give.
func TestPlace_LeavesOutNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool := scheduler.Pool{}
		for i := range rapid.IntRange(1, 3).Draw(rt, "nodes") {
			n := node(fmt.Sprintf("n%d", i))
			n.Node.PortMax = n.Node.PortMin + 1
			n.Reserved = nodes.Capacity{CPU: schema.CPU(rapid.IntRange(0, 20).Draw(rt, "cpu") * 100), Memory: schema.Bytes(rapid.IntRange(0, 8).Draw(rt, "memory")) << 29}
			n.Node.Attributes["zone"] = rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "zone")
			pool.Nodes = append(pool.Nodes, n)
		}
		over := func() string { return rapid.SampledFrom([]string{"zone", "node"}).Draw(rt, "over") }
		var requests []scheduler.Request
		for k := range rapid.IntRange(1, 4).Draw(rt, "workloads") {
			w := work(fmt.Sprintf("a/w%d", k))
			w.Resources = schema.Resources{CPU: schema.CPU(rapid.IntRange(1, 9).Draw(rt, "cpu") * 100), Memory: schema.Bytes(rapid.IntRange(0, 4).Draw(rt, "memory")) << 29}
			switch rapid.IntRange(0, 4).Draw(rt, "rule") {
			case 0:
				w.MaxPer = map[string]int{over(): rapid.IntRange(1, 3).Draw(rt, "most")}
			case 1:
				w.Near = []schema.Near{{Workload: "a/w0", Over: over(), Must: true, Apart: rapid.Bool().Draw(rt, "apart")}}
			case 2:
				w.Ports = map[string]schema.Port{"p": {Container: 80, Host: rapid.SampledFrom([]int{0, 80, 81}).Draw(rt, "host")}}
			}
			for i := range rapid.IntRange(1, 3).Draw(rt, "slots") {
				requests = append(requests, request(w, i))
			}
		}
		requests = requests[:min(len(requests), 7)]
		placed, _ := scheduler.Place(pool, requests)
		if most := bestOfAll(pool, requests, nil); len(placed) < most {
			rt.Fatalf("%d have a place, %d could have one", len(placed), most)
		}
	})
}

// bestOfAll tries every node for every request, and none. chosen have theirs.
func bestOfAll(pool scheduler.Pool, left, chosen []scheduler.Request) (most int) {
	if len(left) == 0 {
		return 0
	}
	t := scheduler.Open(pool)
	for i := range chosen {
		if _, ok := t.Take(&chosen[i]); !ok {
			panic("what was chosen before is no more to be had")
		}
	}
	for i, v := range t.AskAll(&left[0]) {
		if v.Fits {
			r := left[0]
			r.Only = t.Name(i)
			most = max(most, 1+bestOfAll(pool, left[1:], append(slices.Clone(chosen), r)))
			if most == len(left) {
				return most
			}
		}
	}
	return max(most, bestOfAll(pool, left[1:], chosen))
}
