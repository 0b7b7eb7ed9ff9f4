package scheduler_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestPlace_RulesAreTheBestOfAll: with wishes, spreads, neighbours, bounds and
// devices, each request gets what asking every node in turn would choose.
func TestPlace_RulesAreTheBestOfAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, requests := oddPool(rt), ruledRequests(rt)
		for i := range pool.Nodes {
			a := pool.Nodes[i].Node.Attributes
			a["device.gpu"] = rapid.SampledFrom([]string{"0", "1", "4"}).Draw(rt, "gpus")
			a["capacity.disk"] = rapid.SampledFrom([]string{"", "3Gi"}).Draw(rt, "disk")
			if rapid.IntRange(0, 5).Draw(rt, "tainted") == 0 {
				a["taint.old"] = "yes"
			}
			if rapid.IntRange(0, 5).Draw(rt, "placeless") == 0 {
				delete(a, "zone")
			}
		}
		leavesWhatIsThere(&pool, requests)
		checkBest(rt, pool, requests, byAskingAll(rt, pool, requests))
	})
}

// byAskingAll places each request by asking every node in turn.
func byAskingAll(t *rapid.T, pool scheduler.Pool, requests []scheduler.Request) (lines []string) {
	left := scheduler.Open(pool)
	slots := map[string]int{}
	for i := range pool.Nodes {
		for name, k := range pool.Nodes[i].Slots {
			slots[fmt.Sprint(i, name)] = k
		}
	}
	for i := range requests {
		r := requests[i]
		best, all := -1, left.AskAll(&r)
		for j, v := range all {
			crowd := func(j int) int {
				k := slots[fmt.Sprint(j, r.Workload.Name)]
				if r.Leaves == left.Name(j) {
					k--
				}
				return max(k, 0)
			}
			if v.Fits && (best < 0 || v.Score.Total() > all[best].Score.Total() || v.Score.Total() == all[best].Score.Total() && crowd(j) < crowd(best)) {
				best = j
			}
		}
		if best < 0 {
			lines = append(lines, r.Slot.String()+" nowhere")
			continue
		}
		lines = append(lines, fmt.Sprint(r.Slot, " ", left.Name(best), " ", all[best].Score))
		slots[fmt.Sprint(best, r.Workload.Name)]++
		r.Only = left.Name(best)
		if _, ok := left.Take(&r); !ok {
			t.Fatal("Ask and Take disagree")
		}
	}
	return lines
}

// leavesWhatIsThere gives each slot that leaves a node its instance there.
func leavesWhatIsThere(pool *scheduler.Pool, requests []scheduler.Request) {
	for i := range requests {
		for j := range pool.Nodes {
			n := &pool.Nodes[j]
			if n.Node.Name != requests[i].Leaves {
				continue
			}
			if n.Slots == nil {
				n.Slots = map[string]int{}
			}
			n.Slots[requests[i].Workload.Name]++
		}
	}
}

func ruledRequests(t *rapid.T) (all []scheduler.Request) {
	over := func() string { return rapid.SampledFrom([]string{"zone", "node"}).Draw(t, "over") }
	maybe := func(what string) bool { return rapid.IntRange(0, 2).Draw(t, what) == 0 }
	for range rapid.IntRange(1, 6).Draw(t, "groups") {
		w := work(rapid.SampledFrom(oddNames).Draw(t, "workload"))
		w.Resources.CPU = schema.CPU(rapid.SampledFrom([]int{0, 100, 700}).Draw(t, "cpu"))
		w.Resources.Memory = 1 << 28
		if maybe("affinity") {
			w.Affinity = []schema.Affinity{{Constraint: schema.Constraint{Attribute: "zone", Op: "=", Value: "b"}, Weight: rapid.IntRange(-100, 100).Draw(t, "weight")}}
		}
		if maybe("spread") {
			w.Spread = []schema.Spread{{Over: over(), Weight: rapid.SampledFrom([]int{1, 50, 100}).Draw(t, "weight")}}
			if maybe("targets") {
				w.Spread[0].Targets = map[string]int{"a": 2, "b": 1}
			}
		}
		if maybe("near") {
			w.Near = []schema.Near{{Workload: rapid.SampledFrom(oddNames).Draw(t, "near"), Over: over(),
				Apart: rapid.Bool().Draw(t, "apart"), Must: rapid.Bool().Draw(t, "must"), Weight: 30}}
			w.Near[0].Must = w.Near[0].Must && w.Near[0].Apart // or else order would not be all that counts
			if w.Near[0].Workload == w.Name {
				w.Near = nil
			}
		}
		if maybe("most") {
			w.MaxPer = map[string]int{over(): rapid.IntRange(1, 3).Draw(t, "most")}
		}
		if maybe("gpu") {
			w.Resources.Devices = map[string]schema.Device{"gpu": {Count: 1}}
		}
		if maybe("disk") {
			w.Resources.Disk = 1 << 30
		}
		if maybe("tolerates") {
			w.Tolerates = []string{"old"}
		}
		for range rapid.IntRange(1, 8).Draw(t, "slots") {
			r := request(w, len(all))
			if maybe("leaves") {
				r.Leaves = fmt.Sprintf("n%02d", rapid.IntRange(0, 13).Draw(t, "leaves"))
			}
			all = append(all, r)
		}
	}
	return all
}

// TestAsk_EachRule shows the words of the rules on where other slots are, on
// devices, disk and taints.
func TestAsk_EachRule(t *testing.T) {
	n := node("n1")
	n.Node.Attributes = map[string]string{"zone": "a", "device.gpu": "2", "device.gpu.model": "t4", "capacity.disk": "8Gi", "cores": "8", "kernel": "5.10"}
	n.Slots, n.Goods = map[string]int{"a/db": 1, "a/web": 2}, map[string]int64{"disk": 7 << 30, "device.gpu": 1}
	tainted := node("n2")
	tainted.Node.Attributes = map[string]string{"taint.gpu": "only"}
	pool := scheduler.Pool{Nodes: []scheduler.Node{n, tainted}}
	gpu := func(count int, model string) func(w *schema.Workload) {
		return func(w *schema.Workload) {
			d := schema.Device{Count: count}
			if model != "" {
				d.Constraints = []schema.Constraint{{Attribute: "model", Op: "=", Value: model}}
			}
			w.Resources.Devices = map[string]schema.Device{"gpu": d}
		}
	}
	near := func(n schema.Near) func(w *schema.Workload) {
		return func(w *schema.Workload) { w.Near = []schema.Near{n} }
	}
	rule := func(attribute, op, value string) func(w *schema.Workload) {
		return func(w *schema.Workload) {
			w.Constraints = []schema.Constraint{{Attribute: attribute, Op: op, Value: value}}
		}
	}
	for _, c := range []struct {
		at   int
		want string
		make func(w *schema.Workload)
	}{
		{0, "", gpu(1, "t4")},
		{0, "device: needs 2 gpu; n1 has 1 free of 2", gpu(2, "")},
		{0, `device: wants device.gpu.model = a100; n1 has "t4"`, gpu(1, "a100")},
		{0, "disk: needs 2Gi disk; n1 has 1Gi free of 8Gi", func(w *schema.Workload) { w.Resources.Disk = 2 << 30 }},
		{0, "", func(w *schema.Workload) { w.Resources.Disk = 1 << 30 }},
		{0, "near: wants to be apart from a/db; n1 has 1 slot of it", near(schema.Near{Workload: "a/db", Over: "node", Apart: true, Must: true})},
		{0, "near: wants to be apart from a/db; zone a has 1 slot of it", near(schema.Near{Workload: "a/db", Over: "zone", Apart: true, Must: true})},
		{0, "near: wants to be near a/cache, which is nowhere; n1 has none of it", near(schema.Near{Workload: "a/cache", Over: "node", Must: true})},
		{0, "", near(schema.Near{Workload: "a/db", Over: "zone", Must: true})},
		{0, "most: wants at most 2 for each node; n1 has 2", func(w *schema.Workload) { w.MaxPer = map[string]int{"node": 2} }},
		{0, "most: wants at most 1 for each zone; zone a has 2", func(w *schema.Workload) { w.MaxPer = map[string]int{"zone": 1} }},
		{0, `constraint: wants cores > 8; n1 has "8"`, rule("cores", ">", "8")},
		{0, `constraint: wants kernel version >= 5.9, < 5.10; n1 has "5.10"`, rule("kernel", "version", ">= 5.9, < 5.10")},
		{0, `constraint: wants zone to match ^[bc]; n1 has "a"`, rule("zone", "matches", "^[bc]")},
		{1, `taint: n2 has the taint "gpu"`, func(*schema.Workload) {}},
		{1, "", func(w *schema.Workload) { w.Tolerates = []string{"gpu"} }},
	} {
		w := work("a/web")
		c.make(w)
		r := request(w, 9)
		v := scheduler.Open(pool).Ask(c.at, &r)
		if got := strings.TrimPrefix(v.Filter+": "+v.Miss, ": "); got != c.want || v.Fits != (c.want == "") {
			t.Errorf("%v %q, want %q", v.Fits, got, c.want)
		}
	}
}

// TestPlace_Spread shares slots out over zones, evenly and by targets.
func TestPlace_Spread(t *testing.T) {
	var pool scheduler.Pool
	for i := range 12 {
		n := node(fmt.Sprintf("n%02d", i))
		n.Node.Attributes = map[string]string{"zone": []string{"a", "a", "a", "b", "c", "a"}[i%6]}
		n.Node.Allocatable.CPU, n.Node.Allocatable.Memory = 64_000, 256<<30
		pool.Nodes = append(pool.Nodes, n)
	}
	for _, c := range []struct {
		targets map[string]int
		slots   int
		want    string
	}{
		{nil, 9, "map[a:3 b:3 c:3]"}, {nil, 10, "map[a:4 b:3 c:3]"},
		{map[string]int{"a": 70, "b": 30}, 10, "map[a:7 b:3]"}, {map[string]int{"c": 1}, 3, "map[c:3]"},
	} {
		w := work("a/web")
		w.Spread = []schema.Spread{{Over: "zone", Weight: 50, Targets: c.targets}}
		var all []scheduler.Request
		for i := range c.slots {
			all = append(all, request(w, i))
		}
		got := map[string]int{}
		placed, _ := scheduler.Place(pool, all)
		for _, p := range placed {
			var i int
			fmt.Sscanf(p.Node, "n%d", &i)
			got[pool.Nodes[i].Node.Attributes["zone"]]++
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%v, %d slots: %v, want %s", c.targets, c.slots, got, c.want)
		}
	}
}

// TestPlace_OddAmounts: what is less than nothing is refused, and no sum wraps.
func TestPlace_OddAmounts(t *testing.T) {
	const most = 1<<63 - 1
	for _, c := range []struct {
		r    schema.Resources
		want string
	}{
		{schema.Resources{CPU: -1}, "none of 1 nodes can take it: 1 refused by amount (asks for an amount that is none)"},
		{schema.Resources{Memory: -1 << 40}, "none of 1 nodes can take it: 1 refused by amount (asks for an amount that is none)"},
		{schema.Resources{Devices: map[string]schema.Device{"gpu": {}}}, "none of 1 nodes can take it: 1 refused by amount (asks for an amount that is none)"},
		{schema.Resources{CPU: 3000}, "none of 1 nodes can take it: 1 refused by cpu (needs 3 cpu; n1 has 0 free of 2, 9223372036854775807m reserved); no node ever could: it needs 3 cpu, and the largest node has 2"},
		{schema.Resources{CPU: most, Memory: most}, "none of 1 nodes can take it: 1 refused by cpu (needs 9223372036854775807m cpu; n1 has 0 free of 2, 9223372036854775807m reserved); no node ever could: it needs 9223372036854775807m cpu, and the largest node has 2"},
	} {
		n, w := node("n1"), work("a/web")
		w.Resources = schema.Resources{CPU: most}
		n.Hold(w)
		n.Hold(w)
		w.Resources = c.r
		pool := scheduler.Pool{Nodes: []scheduler.Node{n}, Tree: scheduler.Tree{{Name: "default", Weight: 1}}, Use: map[string]scheduler.Use{"default": {CPU: most, Memory: most}}}
		_, unplaced := scheduler.Place(pool, []scheduler.Request{request(w, 0), request(w, 1)})
		if len(unplaced) != 2 || unplaced[0].Why.String() != c.want {
			t.Errorf("%+v: %v", c.r, unplaced)
		}
	}
}
