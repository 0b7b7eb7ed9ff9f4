package scheduler_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// node is an empty one of 2 cores and 4Gi with ten host ports.
func node(name string) scheduler.Node {
	return scheduler.Node{Node: &nodes.Node{Name: name, Attributes: map[string]string{"zone": "a"},
		Allocatable: nodes.Capacity{CPU: 2000, Memory: 4 << 30}, PortMin: 20000, PortMax: 20009}}
}

// work is a small workload that fits anywhere.
func work(name string) *schema.Workload {
	return &schema.Workload{Name: name, Kind: schema.Service, Pool: scheduler.DefaultPool, Resources: schema.Resources{CPU: 500, Memory: 1 << 30}}
}

func request(w *schema.Workload, index int) scheduler.Request {
	return scheduler.Request{Slot: schema.Slot{Workload: w.Name, Index: index}, Workload: w}
}

func feasible(n *scheduler.Node, r *scheduler.Request) (ok bool, filter, miss string) {
	v := scheduler.Open(scheduler.Pool{Nodes: []scheduler.Node{*n}}).Ask(0, r)
	return v.Fits, v.Filter, v.Miss
}

func weigh(n *scheduler.Node, r *scheduler.Request) scheduler.Score {
	return scheduler.Open(scheduler.Pool{Nodes: []scheduler.Node{*n}}).Ask(0, r).Score
}

// TestWeigh_Table compares every score of a grid of nodes with testdata.
func TestWeigh_Table(t *testing.T) {
	var b strings.Builder
	fmt.Fprintln(&b, "reserved cpu, memory · slots of it there · leaves · avoid → fit, spread, avoid, total")
	for _, cpu := range []schema.CPU{0, 500, 1000, 1500} {
		for _, mem := range []schema.Bytes{0, 1 << 30, 3 << 30} {
			for _, c := range []struct {
				slots         int
				leaves, avoid string
			}{{0, "", ""}, {1, "", ""}, {2, "", ""}, {1, "n1", ""}, {0, "", "n1"}} {
				n := node("n1")
				n.Reserved = nodes.Capacity{CPU: cpu, Memory: mem}
				n.Slots = map[string]int{"a/web": c.slots}
				r := request(work("a/web"), 0)
				r.Leaves, r.Avoid = c.leaves, []string{c.avoid}
				s := weigh(&n, &r)
				fmt.Fprintf(&b, "%5s %4s · %d · %2s · %2s → %5d %5d %5d %5d\n", cpu, mem.Human(), c.slots, c.leaves, c.avoid, s.Fit, s.Spread, s.Avoid, s.Total())
			}
		}
	}
	golden(t, "scores", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (run with -update to accept):\n%s", path, d)
	}
}

// hostVolume asks for the volume on a node that declares it so.
func hostVolume(readOnly bool, declared string) func(*scheduler.Node, *scheduler.Request) {
	return func(n *scheduler.Node, r *scheduler.Request) {
		r.Workload.Volumes = map[string]schema.Volume{"data": {Path: "/data", Host: "media", ReadOnly: readOnly}}
		if declared != "" {
			n.Node.Attributes = map[string]string{"host-volume.media": declared}
		}
	}
}

// TestFeasible_EachFilter shows each filter's refusal with its words, and that
// one step less is taken.
func TestFeasible_EachFilter(t *testing.T) {
	for _, c := range []struct {
		filter, miss string
		refuse       func(*scheduler.Node, *scheduler.Request)
		near         func(*scheduler.Node, *scheduler.Request)
	}{
		{"node", "wants node n2, which is none of the nodes",
			func(n *scheduler.Node, r *scheduler.Request) { r.Only = "n2" },
			func(n *scheduler.Node, r *scheduler.Request) { r.Only = "n1" }},
		{"node", "its data is on n2, which is none of the nodes",
			func(n *scheduler.Node, r *scheduler.Request) { r.Only, r.Stays = "n2", true },
			func(n *scheduler.Node, r *scheduler.Request) { r.Only, r.Stays = "n1", true }},
		{"closed", "n1 is unreachable",
			func(n *scheduler.Node, r *scheduler.Request) { n.Closed = "unreachable" }, nil},
		{"closed", "n1 is cordoned",
			func(n *scheduler.Node, r *scheduler.Request) { n.Closed, n.Keeps = "cordoned", true },
			func(n *scheduler.Node, r *scheduler.Request) { r.Only, r.Home = "n1", true }},
		{"ending", "on n1 the same instance is still ending",
			func(n *scheduler.Node, r *scheduler.Request) { r.Except = []string{"n3", "n1"} },
			func(n *scheduler.Node, r *scheduler.Request) { r.Except = []string{"n3"} }},
		{"ending", "it runs on n1 now, and may not stay there",
			func(n *scheduler.Node, r *scheduler.Request) { r.Except, r.Leaves = []string{"n1"}, "n1" },
			func(n *scheduler.Node, r *scheduler.Request) { r.Leaves = "n1" }},
		{"pool", `wants pool "gpu"; n1 is in "default"`,
			func(n *scheduler.Node, r *scheduler.Request) { r.Workload.Pool = "gpu" },
			func(n *scheduler.Node, r *scheduler.Request) {
				r.Workload.Pool, n.Node.Attributes = "gpu", map[string]string{"pool": "gpu"}
			}},
		{"constraint", `wants zone = b; n1 has "a"`, constrain("zone", "=", "b"), constrain("zone", "=", "a")},
		{"constraint", `wants zone != a; n1 has "a"`, constrain("zone", "!=", "a"), constrain("zone", "!=", "b")},
		{"constraint", `wants zone in b, c; n1 has "a"`, constrain("zone", "in", "b", "c"), constrain("zone", "in", "b", "a")},
		{"constraint", "wants disk to exist; n1 has no such attribute", constrain("disk", "exists"), constrain("zone", "exists")},
		{"constraint", "wants disk = ssd; n1 has no such attribute", constrain("disk", "=", "ssd"), constrain("disk", "!=", "ssd")},
		{"constraint", "an artifact wants runtime = native; n1 has no such attribute",
			func(n *scheduler.Node, r *scheduler.Request) { r.Workload.Artifact = &schema.Artifact{} },
			func(n *scheduler.Node, r *scheduler.Request) {
				r.Workload.Artifact, n.Node.Attributes = &schema.Artifact{}, map[string]string{"runtime": "native"}
			}},
		{"constraint", "a Java program without an image wants java to exist; n1 has no such attribute",
			func(n *scheduler.Node, r *scheduler.Request) {
				r.Workload.Image, r.Workload.Artifact, r.Workload.Java = "", &schema.Artifact{}, &schema.Java{}
				n.Node.Attributes = map[string]string{"runtime": "native"}
			},
			func(n *scheduler.Node, r *scheduler.Request) {
				r.Workload.Image, r.Workload.Artifact, r.Workload.Java = "x", &schema.Artifact{}, &schema.Java{}
				n.Node.Attributes = map[string]string{"runtime": "native"}
			}},
		{"constraint", `needs host volume "media"; n1 declares none of that name`, hostVolume(false, ""), hostVolume(false, "rw")},
		{"constraint", `needs host volume "media" to write to; n1 declares it read-only`, hostVolume(false, "ro"), hostVolume(true, "ro")},
		{"cpu", "needs 500m cpu; n1 has 499m free of 2, 1501m reserved", reserved(1501, 0), reserved(1500, 0)},
		{"cpu", "needs 500m cpu; n1 has 0 free of 2, 3 reserved", reserved(3000, 0), nil},
		{"memory", "needs 1Gi memory; n1 has 1023Mi free of 4Gi, 3Gi reserved", reserved(0, 3<<30+1<<20), reserved(0, 3<<30)},
		{"port", "wants host port 8080; on n1 another slot holds it", ports(8080, []int{80, 8080}, nil), ports(8080, []int{80, 8081}, []int{8079})},
		{"port", "wants host port 8080; on n1 a program outside the cluster holds it", ports(8080, nil, []int{8080}), nil},
		{"port", "needs 1 host ports; n1 has 0 left of 20000 to 20009", ports(0, seq(20000, 9), []int{20009}), ports(0, seq(20000, 9), []int{30000})},
	} {
		n, r := node("n1"), request(work("a/web"), 0)
		c.refuse(&n, &r)
		if ok, filter, miss := feasible(&n, &r); ok || filter != c.filter || miss != c.miss {
			t.Errorf("%v, %s: %q; want %s: %q", ok, filter, miss, c.filter, c.miss)
		}
		if c.near == nil {
			continue
		}
		n, r = node("n1"), request(work("a/web"), 0)
		c.near(&n, &r)
		if ok, filter, miss := feasible(&n, &r); !ok {
			t.Errorf("a step from %q is refused by %s: %s", c.miss, filter, miss)
		}
	}
}

func constrain(attribute, op string, values ...string) func(*scheduler.Node, *scheduler.Request) {
	c := schema.Constraint{Attribute: attribute, Op: op, Values: values}
	if len(values) == 1 {
		c.Value, c.Values = values[0], nil
	}
	return func(_ *scheduler.Node, r *scheduler.Request) { r.Workload.Constraints = []schema.Constraint{c} }
}

func reserved(cpu schema.CPU, mem schema.Bytes) func(*scheduler.Node, *scheduler.Request) {
	return func(n *scheduler.Node, _ *scheduler.Request) { n.Reserved = nodes.Capacity{CPU: cpu, Memory: mem} }
}

func ports(want int, held, busy []int) func(*scheduler.Node, *scheduler.Request) {
	return func(n *scheduler.Node, r *scheduler.Request) {
		r.Workload.Ports = map[string]schema.Port{"http": {Container: 80, Host: want, Protocol: "tcp"}}
		n.Ports, n.Node.BusyPorts = held, busy
	}
}

func seq(from, count int) (all []int) {
	for i := range count {
		all = append(all, from+i)
	}
	return all
}

// TestFeasible_NoRange: who wants no port is not refused for a range that is
// empty or held twice over.
func TestFeasible_NoRange(t *testing.T) {
	for _, c := range []struct{ min, max int }{{0, 0}, {20000, 0}, {20000, 20000}} {
		n, r := node("n1"), request(work("a/web"), 0)
		n.Node.PortMin, n.Node.PortMax, n.Ports = c.min, c.max, []int{20000, 20000}
		if ok, filter, miss := feasible(&n, &r); !ok {
			t.Errorf("range %d to %d: %s: %s", c.min, c.max, filter, miss)
		}
	}
}

// TestFeasible_Stays: a slot whose data is there is held by room alone.
func TestFeasible_Stays(t *testing.T) {
	n, r := node("n1"), request(work("a/db"), 0)
	r.Stays, r.Workload.Pool = true, "gpu"
	r.Workload.Constraints = []schema.Constraint{{Attribute: "zone", Op: "=", Value: "b"}}
	if ok, filter, _ := feasible(&n, &r); !ok {
		t.Errorf("refused by %s", filter)
	}
	n.Reserved.CPU = 1600
	if ok, filter, _ := feasible(&n, &r); ok || filter != "cpu" {
		t.Errorf("%v, %s; want cpu", ok, filter)
	}
}

// TestPool_Explain counts each node under the first filter that refuses it and
// tells the nearest.
func TestPool_Explain(t *testing.T) {
	a, b, c, d := node("a"), node("b"), node("c"), node("d")
	a.Reserved.CPU, b.Reserved.CPU, c.Closed, d.Reserved.Memory = 1900, 1600, "unreachable", 4<<30
	p := scheduler.Pool{Nodes: []scheduler.Node{a, b, c, d}}
	r := request(work("a/web"), 0)
	why := scheduler.Open(p).Explain(&r)
	want := "none of 4 nodes can take it: 1 refused by closed (c is unreachable); " +
		"2 refused by cpu (needs 500m cpu; b has 400m free of 2, 1600m reserved); " +
		"1 refused by memory (needs 1Gi memory; d has 0 free of 4Gi, 4Gi reserved)"
	if got := why.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (&scheduler.Why{}).String(); got != "no node has joined" {
		t.Error(got)
	}
}

// TestPlace_Order: requests are served in their order, and an earlier one takes
// what a later one would have had.
func TestPlace_Order(t *testing.T) {
	big, small := work("a/big"), work("a/small")
	big.Resources.CPU = 1800
	pool := scheduler.Pool{Nodes: []scheduler.Node{node("n1")}}
	placed, unplaced := scheduler.Place(pool, []scheduler.Request{request(big, 0), request(small, 0)})
	if len(placed) != 1 || placed[0].Slot.Workload != "a/big" || len(unplaced) != 1 || unplaced[0].Why.Refusals[0].Filter != "cpu" {
		t.Errorf("big first: %v, %v", placed, unplaced)
	}
	placed, unplaced = scheduler.Place(pool, []scheduler.Request{request(small, 0), request(big, 0)})
	if len(placed) != 1 || placed[0].Slot.Workload != "a/small" || len(unplaced) != 1 {
		t.Errorf("small first: %v, %v", placed, unplaced)
	}
}

// TestPlace_Ties: of equal scores the fewer slots of the workload, then the
// first name.
func TestPlace_Ties(t *testing.T) {
	pool := scheduler.Pool{Nodes: []scheduler.Node{node("a"), node("b"), node("c")}}
	w := work("a/web")
	var got []string
	placed, _ := scheduler.Place(pool, []scheduler.Request{request(w, 0), request(w, 1), request(w, 2), request(w, 3)})
	for _, p := range placed {
		got = append(got, p.Node)
	}
	if want := []string{"a", "b", "c", "a"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestTake_Ports: a slot's port is its own by a hash, the next one where that
// is taken; fixed ones are as asked; none is given twice.
func TestTake_Ports(t *testing.T) {
	w := work("a/web")
	w.Ports = map[string]schema.Port{"http": {Container: 80}, "admin": {Container: 81}, "fixed": {Container: 82, Host: 20003}}
	take := func(held, busy []int) map[string]int {
		n := node("n1")
		n.Ports, n.Node.BusyPorts = held, busy
		p := scheduler.Open(scheduler.Pool{Nodes: []scheduler.Node{n}})
		r := request(w, 0)
		got, ok := p.Take(&r)
		if !ok {
			t.Fatal(p.Explain(&r))
		}
		return got.ByName(w)
	}
	first := take(nil, nil)
	if first["fixed"] != 20003 || !cmp.Equal(first, take(nil, nil)) {
		t.Errorf("not as asked, or another at the second time: %v", first)
	}
	again := take([]int{first["http"]}, nil)
	if again["http"] == first["http"] || again["admin"] == again["http"] {
		t.Errorf("held %d: %v", first["http"], again)
	}
	if busy := take(nil, []int{first["http"]}); !cmp.Equal(busy, again) {
		t.Errorf("what another program holds counts otherwise than what a slot holds: %v, %v", busy, again)
	}
}

// TestPlace_AnyPool: whatever the pool and the requests, the result is the same
// each time, changes nothing that was given, keeps within every node's room and
// ports, keeps the requests' order, and refuses only what fits nowhere.
func TestPlace_AnyPool(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, requests := anyPool(rt), anyRequests(rt)
		was := encode(rt, pool)
		placed, unplaced := scheduler.Place(pool, requests)
		if encode(rt, pool) != was {
			rt.Fatal("Place changed the pool")
		}
		p2, u2 := scheduler.Place(pool, requests)
		if encode(rt, placed) != encode(rt, p2) || encode(rt, unplaced) != encode(rt, u2) {
			rt.Fatal("two results for one input")
		}
		checkPlaced(rt, pool, requests, placed, unplaced)
	})
}

func encode(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func anyPool(t *rapid.T) (p scheduler.Pool) {
	for i := range rapid.IntRange(0, 5).Draw(t, "nodes") {
		n := node(fmt.Sprintf("n%d", i))
		n.Node.Attributes = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")}
		n.Reserved = nodes.Capacity{CPU: schema.CPU(rapid.IntRange(0, 2000).Draw(t, "cpu"))}
		if rapid.IntRange(0, 5).Draw(t, "closed") == 0 {
			n.Closed = "unreachable"
		}
		n.Ports = seq(20000, rapid.IntRange(0, 10).Draw(t, "held"))
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

func anyRequests(t *rapid.T) (all []scheduler.Request) {
	for i := range rapid.IntRange(0, 12).Draw(t, "requests") {
		w := work(rapid.SampledFrom([]string{"a/one", "a/two"}).Draw(t, "workload"))
		w.Resources.CPU = schema.CPU(rapid.SampledFrom([]int{0, 100, 700}).Draw(t, "cpu"))
		if rapid.Bool().Draw(t, "constrained") {
			w.Constraints = []schema.Constraint{{Attribute: "zone", Op: "=", Value: "b"}}
		}
		if host := rapid.SampledFrom([]int{-1, 0, 8080, 20005}).Draw(t, "port"); host >= 0 {
			w.Ports = map[string]schema.Port{"http": {Container: 80, Host: host}, "x": {Container: 81}}
		}
		all = append(all, request(w, i))
	}
	return all
}

// checkPlaced asks the one rule about every placement in its turn, and that nobody
// without a place would have one beside them; and no port is given twice. Which of
// two workloads that count each other came first is not told, so that what is
// refused in the requests' order is tried before the others.
func checkPlaced(t *rapid.T, pool scheduler.Pool, requests []scheduler.Request, placed []scheduler.Placement, unplaced []scheduler.Unplaced) {
	t.Helper()
	var in, out []scheduler.Request
	for i := range requests {
		r := requests[i]
		switch {
		case len(placed) > len(in) && placed[len(in)].Slot == r.Slot:
			r.Only = placed[len(in)].Node
			in = append(in, r)
		case len(unplaced) > len(out) && unplaced[len(out)].Slot == r.Slot:
			out = append(out, r)
		default:
			t.Fatalf("%s is neither placed nor refused in its turn", r.Slot)
		}
	}
	if len(in) != len(placed) || len(out) != len(unplaced) {
		t.Fatalf("more is told than was asked: %v, %v", placed, unplaced)
	}
	checkPorts(t, pool, placed)
	left, refused := takeAll(pool, in)
	for tries := 0; refused >= 0; tries++ {
		if r := in[refused]; tries == len(in)*len(in) {
			at := slices.IndexFunc(pool.Nodes, func(n scheduler.Node) bool { return n.Node.Name == r.Only })
			t.Fatalf("%s is placed on %s: %+v", r.Slot, r.Only, left.Ask(at, &r))
		}
		in = slices.Insert(slices.Delete(slices.Clone(in), refused, refused+1), 0, in[refused])
		left, refused = takeAll(pool, in)
	}
	for i := range out {
		checkLeftOut(t, left, &out[i])
	}
}

// takeAll takes what is named, one after the other, until one is refused; −1 is
// none.
func takeAll(pool scheduler.Pool, in []scheduler.Request) (left *scheduler.Table, refused int) {
	left = scheduler.Open(pool)
	for i := range in {
		if _, ok := left.Take(&in[i]); !ok {
			return left, i
		}
	}
	return left, -1
}

func checkPorts(t *rapid.T, pool scheduler.Pool, placed []scheduler.Placement) {
	given := map[string]bool{}
	for _, p := range placed {
		at := slices.IndexFunc(pool.Nodes, func(n scheduler.Node) bool { return n.Node.Name == p.Node })
		for _, port := range p.Ports {
			key := fmt.Sprint(p.Node, port)
			if given[key] || slices.Contains(pool.Nodes[at].Ports, port) {
				t.Fatalf("port %d of %s is given twice", port, p.Node)
			}
			given[key] = true
		}
	}
}

func checkLeftOut(t *rapid.T, left *scheduler.Table, r *scheduler.Request) {
	for j, v := range left.AskAll(r) {
		if v.Fits {
			t.Fatalf("%s is refused, but %s would take it", r.Slot, left.Name(j))
		}
	}
}

// TestTable_Lift takes back what Take gave, and gives it again.
func TestTable_Lift(t *testing.T) {
	w := work("a/web")
	w.Ports = map[string]schema.Port{"http": {Container: 80, Host: 8080}}
	w.Resources.Disk, w.Resources.Devices = 1<<30, map[string]schema.Device{"gpu": {Count: 1}}
	n := node("n1")
	n.Node.Attributes = map[string]string{"capacity.disk": "1Gi", "device.gpu": "1"}
	p := scheduler.Open(scheduler.Pool{Nodes: []scheduler.Node{n}})
	r := request(w, 0)
	empty := p.Ask(0, &r)
	got, _ := p.Take(&r)
	full := p.Ask(0, &r)
	back := p.Lift(0, w, got.ByName(w))
	if lifted := p.Ask(0, &r); !empty.Fits || lifted != empty || full.Fits {
		t.Errorf("%v, full %v, lifted %v", empty, full, lifted)
	}
	back()
	if again := p.Ask(0, &r); again != full {
		t.Errorf("%v, want %v", again, full)
	}
}
