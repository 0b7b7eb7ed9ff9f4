package scheduler_test

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestPlace_HugeAmounts: sums stop at the largest amount and never wrap: with
// amounts up to what an int64 holds, of nodes, requests, pools and what is used, no
// node is given more than it has, no pool more than its limit, and every question
// has an answer (I3, I19).
func TestPlace_HugeAmounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		huge := func(label string) int64 {
			return rapid.SampledFrom([]int64{0, 1, 1 << 30, math.MaxInt64 >> 4, math.MaxInt64 / 2, math.MaxInt64/2 + 1, math.MaxInt64 - 1, math.MaxInt64}).Draw(rt, label)
		}
		pool := scheduler.Pool{Use: map[string]scheduler.Use{"default": {CPU: schema.CPU(huge("used")), Memory: schema.Bytes(huge("used")), Slots: 1}}}
		limit := schema.Quantity{CPU: schema.CPU(huge("limit")), Memory: schema.Bytes(huge("limit"))}
		pool.Tree = scheduler.Tree{{Name: "default", Weight: 1, Limit: &limit}, {Name: "part", Parent: "default", Weight: 1, Guarantee: &schema.Quantity{CPU: schema.CPU(huge("guarantee"))}}}
		for i := range 3 {
			n := node(fmt.Sprintf("n%d", i))
			n.Node.Allocatable = nodes.Capacity{CPU: schema.CPU(huge("has")), Memory: schema.Bytes(huge("has"))}
			n.Reserved = nodes.Capacity{CPU: schema.CPU(huge("held")), Memory: schema.Bytes(huge("held"))}
			n.Ending = n.Reserved
			pool.Nodes = append(pool.Nodes, n)
		}
		var requests []scheduler.Request
		for i := range 6 {
			w := work(fmt.Sprintf("a/w%d", i/2))
			w.Resources = schema.Resources{CPU: schema.CPU(huge("cpu")), Memory: schema.Bytes(huge("memory"))}
			w.Pool = rapid.SampledFrom([]string{"default", "part"}).Draw(rt, "pool")
			requests = append(requests, request(w, i%2))
		}
		table := scheduler.Open(pool)
		placed, unplaced := table.Place(requests)
		if len(placed)+len(unplaced) != len(requests) {
			rt.Fatal("requests were lost")
		}
		checkHuge(rt, &pool, requests, placed)
		table.Standings()
		for i := range requests {
			table.AskAll(&requests[i])
		}
		scheduler.Open(pool).Evict(requests, func(int) []scheduler.Held { return nil }, map[string]int{})
	})
}

// checkHuge sums without bounds.
func checkHuge(rt *rapid.T, pool *scheduler.Pool, requests []scheduler.Request, placed []scheduler.Placement) {
	whole := big.NewInt(int64(pool.Use["default"].CPU))
	on := map[string]*big.Int{}
	for _, n := range pool.Nodes {
		on[n.Node.Name] = big.NewInt(int64(n.Reserved.CPU))
	}
	for _, p := range placed {
		for _, r := range requests {
			if r.Slot == p.Slot {
				asks := big.NewInt(int64(r.Workload.Resources.CPU))
				whole.Add(whole, asks)
				on[p.Node].Add(on[p.Node], asks)
				if asks.Sign() > 0 && pool.Tree[0].Limit.CPU > 0 && whole.Cmp(big.NewInt(int64(pool.Tree[0].Limit.CPU))) > 0 && pool.Tree[0].Limit.CPU < math.MaxInt64 {
					rt.Fatalf("the pool has %s of %d", whole, pool.Tree[0].Limit.CPU)
				}
				if has := pool.Nodes[p.Node[1]-'0'].Node.Allocatable.CPU; asks.Sign() > 0 && on[p.Node].Cmp(big.NewInt(int64(has))) > 0 {
					rt.Fatalf("%s holds %s of %d", p.Node, on[p.Node], has)
				}
			}
		}
	}
}

// TestNode_HugeOrders: what a node's orders hold, and what of it is ending, stops at
// the largest amount.
func TestNode_HugeOrders(t *testing.T) {
	n, w := node("n"), work("a/huge")
	w.Resources = schema.Resources{CPU: math.MaxInt64 - 1, Memory: math.MaxInt64 / 2}
	for range 3 {
		n.Hold(w)
		n.End(w, nil)
	}
	if most := (nodes.Capacity{CPU: math.MaxInt64, Memory: math.MaxInt64}); n.Reserved != most || n.Ending != most {
		t.Error(n.Reserved, n.Ending)
	}
}

// TestPlace_SumsDoNotWrap: what is used beside what is asked for is above a limit, and
// a node that holds more than it has takes nothing, however large the amounts (I3, I19).
func TestPlace_SumsDoNotWrap(t *testing.T) {
	small := work("a/small")
	small.Resources = schema.Resources{CPU: 100}
	full, odd := node("n"), node("n")
	odd.Node.Allocatable.CPU, odd.Reserved.CPU = -10, math.MaxInt64
	for what, pool := range map[string]scheduler.Pool{
		"limit": {Nodes: []scheduler.Node{full}, Use: map[string]scheduler.Use{"default": {CPU: math.MaxInt64 - 1}},
			Tree: scheduler.Tree{{Name: "default", Weight: 1, Limit: &schema.Quantity{CPU: math.MaxInt64 - 1}}}},
		"cpu": {Nodes: []scheduler.Node{odd}},
	} {
		_, unplaced := scheduler.Place(pool, []scheduler.Request{request(small, 0)})
		if len(unplaced) != 1 || unplaced[0].Why.Refusals[0].Filter != what {
			t.Errorf("%s does not refuse it: %v", what, unplaced)
		}
	}
}
