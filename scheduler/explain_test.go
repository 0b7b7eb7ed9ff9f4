package scheduler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// sized is an empty node with so many cores and GiB.
func sized(name string, cores, gib int64, attributes ...string) scheduler.Node {
	n := node(name)
	n.Node.Allocatable = nodes.Capacity{CPU: schema.CPU(cores * 1000), Memory: schema.Bytes(gib << 30)}
	for i := 0; i < len(attributes); i += 2 {
		n.Node.Attributes[attributes[i]] = attributes[i+1]
	}
	return n
}

func change(n scheduler.Node, make func(n *scheduler.Node)) scheduler.Node {
	make(&n)
	return n
}

func close(n scheduler.Node, why string) scheduler.Node {
	return change(n, func(n *scheduler.Node) { n.Closed = why })
}

// never is what is told of a request that no node could ever take.
func never(all []scheduler.Node, tree scheduler.Tree, set func(*scheduler.Request)) string {
	r := request(work("a/web"), 9)
	set(&r)
	return scheduler.Open(scheduler.Pool{Nodes: all, Tree: tree}).Explain(&r).Never
}

func ask(set func(w *schema.Workload)) func(*scheduler.Request) {
	return func(r *scheduler.Request) { set(r.Workload) }
}

func cpuMemory(cores, gib int64) func(*scheduler.Request) {
	return ask(func(w *schema.Workload) {
		w.Resources.CPU, w.Resources.Memory = schema.CPU(cores*1000), schema.Bytes(gib<<30)
	})
}

func wants(all ...schema.Constraint) func(*scheduler.Request) {
	return ask(func(w *schema.Workload) { w.Constraints = all })
}

func device(name string, count int, rules ...schema.Constraint) func(*scheduler.Request) {
	return ask(func(w *schema.Workload) {
		w.Resources.Devices = map[string]schema.Device{name: {Count: count, Constraints: rules}}
	})
}

// TestExplain_Never tells apart what no node could take were it empty, and why,
// from what does not fit now. Each request but the last of a line is the nearest
// one that a node could take.
func TestExplain_Never(t *testing.T) {
	plain := []scheduler.Node{sized("n1", 8, 4), sized("n2", 4, 64, "disk", "ssd")}
	tree := scheduler.Tree{{Name: "part", Parent: "whole", Weight: 1}, {Name: "whole", Weight: 1}}
	gpus := []scheduler.Node{
		sized("n1", 4, 8, "capacity.disk", "100Gi", "device.gpu", "2", "device.gpu.model", "t4"),
		sized("n2", 4, 8, "device.gpu", "4", "device.gpu.model", "a100"), sized("n3", 16, 8),
	}
	a100 := schema.Constraint{Attribute: "model", Op: "=", Value: "a100"}
	near := func(over string) func(*scheduler.Request) {
		return ask(func(w *schema.Workload) { w.Near = []schema.Near{{Workload: "a/db", Over: over, Must: true}} })
	}
	for _, c := range []struct {
		name  string
		nodes []scheduler.Node
		tree  scheduler.Tree
		could func(*scheduler.Request)
		not   func(*scheduler.Request)
		want  string
	}{
		{"cpu", plain, nil, cpuMemory(8, 4), cpuMemory(9, 4), "it needs 9 cpu, and the largest node has 8"},
		{"memory", plain, nil, cpuMemory(1, 64), cpuMemory(1, 65), "it needs 65Gi memory, and the largest node has 64Gi"},
		{"together", plain, nil, cpuMemory(8, 4), cpuMemory(8, 64), "no one node has 8 cpu, 64Gi memory together: n1 has 4Gi memory"},
		{"bound", plain, nil, func(r *scheduler.Request) { r.Only = "n2"; cpuMemory(4, 64)(r) }, func(r *scheduler.Request) { r.Only = "n2"; cpuMemory(5, 4)(r) }, "it needs 5 cpu, and n2 has 4"},
		{"bound by rule", plain, nil, func(r *scheduler.Request) {
			r.Only = "n2"
			wants(schema.Constraint{Attribute: "disk", Op: "exists"})(r)
		}, func(r *scheduler.Request) {
			r.Only = "n1"
			wants(schema.Constraint{Attribute: "disk", Op: "exists"})(r)
		}, "no node has disk at all"},
		{"bound to the first, by its own rule", []scheduler.Node{sized("n1", 4, 4, "pool", "gpu"), sized("n2", 4, 4)}, nil, func(r *scheduler.Request) { r.Only = "n2" }, func(r *scheduler.Request) {
			r.Only = "n1"
			wants(schema.Constraint{Attribute: "disk", Op: "exists"})(r)
		}, `no node is of pool "default" or of one that it is a part of`},
		{"value that only another pool has", []scheduler.Node{sized("n1", 4, 4, "pool", "gpu", "zone", "c"), sized("n2", 4, 4)}, nil, wants(schema.Constraint{Attribute: "zone", Op: "=", Value: "a"}),
			wants(schema.Constraint{Attribute: "zone", Op: "=", Value: "c"}), "no node has zone = c, only a"},
		{"its data is there", plain, nil, func(r *scheduler.Request) {
			r.Only, r.Stays = "n2", true
			wants(schema.Constraint{Attribute: "rack", Op: "exists"})(r)
		}, func(r *scheduler.Request) { r.Only, r.Stays = "n2", true; cpuMemory(5, 4)(r) }, "it needs 5 cpu, and n2 has 4"},
		{"attribute", plain, nil, wants(schema.Constraint{Attribute: "disk", Op: "exists"}), wants(schema.Constraint{Attribute: "rack", Op: "exists"}), "no node has rack at all"},
		{"value", plain, nil, wants(schema.Constraint{Attribute: "zone", Op: "in", Values: []string{"c", "a"}}),
			wants(schema.Constraint{Attribute: "zone", Op: "in", Values: []string{"c", "d"}}), "no node has zone in c, d, only a"},
		{"constraints together", []scheduler.Node{sized("n1", 4, 4, "rack", "1"), sized("n2", 4, 4, "disk", "ssd")}, nil, wants(schema.Constraint{Attribute: "rack", Op: "=", Value: "1"}),
			wants(schema.Constraint{Attribute: "rack", Op: "=", Value: "1"}, schema.Constraint{Attribute: "disk", Op: "exists"}), "no one node meets all of its constraints"},
		{"constraint and cpu", plain, nil, func(r *scheduler.Request) {
			cpuMemory(4, 1)(r)
			wants(schema.Constraint{Attribute: "disk", Op: "exists"})(r)
		}, func(r *scheduler.Request) {
			cpuMemory(8, 1)(r)
			wants(schema.Constraint{Attribute: "disk", Op: "exists"})(r)
		}, "it needs 8 cpu, and the largest node that may take it has 4"},
		{"the second constraint", plain, nil, wants(schema.Constraint{Attribute: "zone", Op: "=", Value: "a"}), wants(schema.Constraint{Attribute: "zone", Op: "=", Value: "a"}, schema.Constraint{Attribute: "rack", Op: "exists"}), "no node has rack at all"},
		{"one of four values", zoned(4), nil, wants(schema.Constraint{Attribute: "zone", Op: "=", Value: "d"}), wants(schema.Constraint{Attribute: "zone", Op: "=", Value: "x"}), "no node has zone = x, only a, b, c, d"},
		{"one of five values", zoned(5), nil, wants(schema.Constraint{Attribute: "zone", Op: "=", Value: "e"}), wants(schema.Constraint{Attribute: "zone", Op: "=", Value: "x"}), "no node has zone = x"},
		{"devices of another pool", []scheduler.Node{sized("n1", 4, 8, "device.gpu", "1"), sized("n2", 4, 8, "device.gpu", "4", "pool", "gpu")}, nil, device("gpu", 1), device("gpu", 2), "it needs 2 gpu, and the largest node that may take it has 1"},
		{"host volume", []scheduler.Node{sized("n1", 4, 4, schema.HostVolume("media"), "rw")}, nil, hosts("media"), hosts("films"), `no node declares host volume "films" as it is needed`},
		{"pool", []scheduler.Node{sized("n1", 4, 4, "pool", "whole")}, tree, ask(func(w *schema.Workload) { w.Pool = "part" }), ask(func(w *schema.Workload) { w.Pool = "gpu" }), `no node is of pool "gpu" or of one that it is a part of`},
		{"taint", []scheduler.Node{sized("n1", 4, 4, "taint.gpu", "only"), sized("n2", 4, 4, "pool", "whole")}, tree, ask(func(w *schema.Workload) { w.Tolerates = []string{"gpu"} }), ask(func(*schema.Workload) {}),
			"every node that its pool may use has a taint that it does not tolerate"},
		{"disk", gpus, nil, ask(func(w *schema.Workload) { w.Resources.Disk = 100 << 30 }), ask(func(w *schema.Workload) { w.Resources.Disk = 101 << 30 }), "it needs 101Gi disk, and the largest node has 100Gi"},
		{"no disk", plain, nil, cpuMemory(1, 1), ask(func(w *schema.Workload) { w.Resources.Disk = 1 }), "it needs 1 disk, and no node has any disk"},
		{"devices", gpus, nil, device("gpu", 4), device("gpu", 5), "it needs 5 gpu, and the largest node has 4"},
		{"no devices", gpus, nil, device("gpu", 1), device("fpga", 1), "it needs 1 fpga, and no node has any fpga"},
		{"devices of a make", gpus, nil, device("gpu", 4, a100), device("gpu", 1, schema.Constraint{Attribute: "model", Op: "in", Values: []string{"h100", "h200"}}),
			"it needs 1 gpu with model in h100, h200, and no node has any gpu with model in h100, h200"},
		{"devices and disk", gpus, nil, ask(func(w *schema.Workload) {
			w.Resources.Disk = 1 << 30
			device("gpu", 2)(&scheduler.Request{Workload: w})
		}),
			ask(func(w *schema.Workload) {
				w.Resources.Disk = 1 << 30
				device("gpu", 3)(&scheduler.Request{Workload: w})
			}),
			"no one node has 500m cpu, 1Gi memory, 1Gi disk, 3 gpu together: n1 has 2 gpu"},
		{"ports", plain, nil, dynamicPorts(10), dynamicPorts(11), "no one node has 500m cpu, 1Gi memory, 11 host ports together: n1 has host ports 20000 to 20009"},
		{"place by attribute", plain, nil, near("zone"), near("rack"), "it is to be near a/db by rack, which no node has"},
		{"place by attribute of a node that is too small", []scheduler.Node{sized("n1", 4, 4, "rack", "1"), sized("n2", 8, 8)}, nil, near("rack"), func(r *scheduler.Request) {
			near("rack")(r)
			cpuMemory(5, 1)(r)
		}, "it needs 5 cpu, and the largest node that may take it has 4"},
		{"place by attribute of another pool", []scheduler.Node{sized("n1", 4, 4, "rack", "1", "pool", "gpu"), sized("n2", 8, 8)}, nil, near("zone"), near("rack"),
			"it is to be near a/db by rack, which no node that may take it has"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			full := make([]scheduler.Node, len(c.nodes))
			for i, n := range c.nodes {
				full[i] = change(n, func(n *scheduler.Node) { n.Reserved = n.Node.Allocatable })
			}
			closed := make([]scheduler.Node, len(c.nodes))
			for i, n := range c.nodes {
				closed[i] = close(n, "unreachable")
			}
			for state, all := range map[string][]scheduler.Node{"empty": c.nodes, "full": full, "closed": closed} {
				if got := never(all, c.tree, c.could); got != "" {
					t.Errorf("%s: could, but: %s", state, got)
				}
				if got := never(all, c.tree, c.not); got != c.want {
					t.Errorf("%s: got  %s\nwant %s", state, got, c.want)
				}
			}
		})
	}
}

// zoned are nodes of as many zones.
func zoned(zones int) (all []scheduler.Node) {
	for i := range zones {
		all = append(all, sized(fmt.Sprint("n", i), 4, 4, "zone", string(rune('a'+i))))
	}
	return all
}

func hosts(volume string) func(*scheduler.Request) {
	return ask(func(w *schema.Workload) {
		w.Volumes = map[string]schema.Volume{"v": {Path: "/v", Host: volume}}
	})
}

func dynamicPorts(count int) func(*scheduler.Request) {
	return ask(func(w *schema.Workload) {
		w.Ports = map[string]schema.Port{}
		for i := range count {
			w.Ports[fmt.Sprintf("p%02d", i)] = schema.Port{Container: 80 + i, Protocol: "tcp"}
		}
	})
}

// TestExplain_NotNever: what others have now is no reason why no node ever could.
func TestExplain_NotNever(t *testing.T) {
	fixed := ask(func(w *schema.Workload) {
		w.Ports = map[string]schema.Port{"http": {Container: 80, Host: 80, Protocol: "tcp"}}
	})
	held := change(sized("n1", 4, 4), func(n *scheduler.Node) {
		n.Node.BusyPorts, n.Slots, n.Goods = []int{80}, map[string]int{"a/web": 2, "a/db": 1}, map[string]int64{"device.gpu": 2}
		n.Node.Attributes["device.gpu"] = "2"
	})
	for name, set := range map[string]func(*scheduler.Request){
		"port": fixed, "device": device("gpu", 2), "node": func(r *scheduler.Request) { r.Only = "gone" },
		"most": ask(func(w *schema.Workload) { w.MaxPer = map[string]int{"node": 1} }),
		"apart": ask(func(w *schema.Workload) {
			w.Near = []schema.Near{{Workload: "a/db", Over: "node", Apart: true, Must: true}}
		}),
		"near": ask(func(w *schema.Workload) { w.Near = []schema.Near{{Workload: "a/none", Over: "zone", Must: true}} }),
		"apart by none": ask(func(w *schema.Workload) {
			w.Near = []schema.Near{{Workload: "a/db", Over: "node", Apart: true, Must: true}, {Workload: "a/db", Over: "rack", Apart: true, Must: true}}
		}),
	} {
		r := request(work("a/web"), 9)
		set(&r)
		why := scheduler.Open(scheduler.Pool{Nodes: []scheduler.Node{held}}).Explain(&r)
		if len(why.Refusals) != 1 || why.Never != "" {
			t.Errorf("%s: %s", name, why.String())
		}
	}
	if got := never(nil, nil, cpuMemory(1, 1)); got != "" {
		t.Errorf("no node: %s", got)
	}
}

// TestExplain_Nearest: each filter names the node that lacks the least of what it
// asks for, whichever its name; of equals the one where the fewest other filters
// would refuse; then the first.
func TestExplain_Nearest(t *testing.T) {
	slots := func(name string, web, db int) scheduler.Node {
		return change(sized(name, 4, 4), func(n *scheduler.Node) { n.Slots = map[string]int{"a/web": web, "a/db": db} })
	}
	zone := func(n scheduler.Node, zone string) scheduler.Node {
		return change(n, func(n *scheduler.Node) { n.Node.Attributes["zone"] = zone })
	}
	full := func(n scheduler.Node) scheduler.Node {
		return change(n, func(n *scheduler.Node) { n.Reserved = n.Node.Allocatable })
	}
	held := func(n scheduler.Node, ports ...int) scheduler.Node {
		return change(n, func(n *scheduler.Node) { n.Ports = ports })
	}
	used := func(n scheduler.Node, good string, amount int64) scheduler.Node {
		return change(n, func(n *scheduler.Node) { n.Goods = map[string]int64{good: amount} })
	}
	most := func(over string, k int) func(*scheduler.Request) {
		return ask(func(w *schema.Workload) { w.MaxPer = map[string]int{over: k} })
	}
	apart := func(over string) func(*scheduler.Request) {
		return ask(func(w *schema.Workload) {
			w.Near = []schema.Near{{Workload: "a/db", Over: over, Must: true, Apart: true}}
		})
	}
	near := func(over string) func(*scheduler.Request) {
		return ask(func(w *schema.Workload) { w.Near = []schema.Near{{Workload: "a/db", Over: over, Must: true}} })
	}
	fixed := ask(func(w *schema.Workload) {
		w.Ports = map[string]schema.Port{"a": {Host: 80, Protocol: "tcp"}, "b": {Host: 443, Protocol: "tcp"}}
	})
	a100 := schema.Constraint{Attribute: "model", Op: "=", Value: "a100"}
	gpu := func(name, count, model string) scheduler.Node {
		return sized(name, 4, 4, "device.gpu", count, "device.gpu.model", model)
	}
	tree := scheduler.Tree{{Name: "inner", Parent: "outer", Weight: 1}, {Name: "outer", Weight: 1},
		{Name: "red", Weight: 1, Nodes: []schema.Constraint{{Attribute: "zone", Op: "=", Value: "a"}}},
		{Name: "zed", Weight: 1, Nodes: []schema.Constraint{{Attribute: "red", Op: "exists"}}}}
	for _, c := range []struct {
		name  string
		nodes []scheduler.Node
		set   func(*scheduler.Request)
		want  string
	}{
		{"cpu", []scheduler.Node{sized("a", 1, 1), sized("b", 3, 1), sized("c", 2, 9)}, cpuMemory(4, 1), "3 refused by cpu (needs 4 cpu; b has 3 free of 3, 0 reserved)"},
		{"cpu, and memory beside", []scheduler.Node{sized("a", 3, 1), sized("b", 3, 4), sized("c", 3, 9)}, cpuMemory(4, 4), "3 refused by cpu (needs 4 cpu; b has 3 free of 3, 0 reserved)"},
		{"memory", []scheduler.Node{sized("a", 4, 1), sized("b", 4, 3)}, cpuMemory(4, 4), "2 refused by memory (needs 4Gi memory; b has 3Gi free of 3Gi, 0 reserved)"},
		{"memory, and ports beside", []scheduler.Node{held(sized("a", 4, 0), 80), held(sized("b", 4, 0), 81)}, fixed, "2 refused by memory (needs 1Gi memory; b has 0 free of 0, 0 reserved)"},
		{"disk", []scheduler.Node{sized("a", 4, 4), sized("b", 4, 4, "capacity.disk", "3Gi"), used(sized("c", 4, 4, "capacity.disk", "9Gi"), "disk", 8<<30)},
			ask(func(w *schema.Workload) { w.Resources.Disk = 4 << 30 }), "3 refused by disk (needs 4Gi disk; b has 3Gi free of 3Gi)"},
		{"disk, and devices beside", []scheduler.Node{sized("a", 4, 4), gpu("b", "2", "t4"), gpu("c", "2", "a100")},
			ask(func(w *schema.Workload) {
				w.Resources.Disk = 4 << 30
				device("gpu", 2, a100)(&scheduler.Request{Workload: w})
			}), "3 refused by disk (needs 4Gi disk; c has none)"},
		{"device", []scheduler.Node{sized("a", 4, 4), gpu("b", "4", "t4"), gpu("c", "1", "a100")}, device("gpu", 3, a100), "3 refused by device (needs 3 gpu; c has 1 free of 1)"},
		{"device of another make", []scheduler.Node{gpu("a", "1", "t4"), gpu("b", "3", "t4")}, device("gpu", 3, a100), `2 refused by device (wants device.gpu.model = a100; b has "t4")`},
		{"fixed ports", []scheduler.Node{held(sized("a", 4, 4), 80, 443), held(sized("b", 4, 4), 443), held(sized("c", 4, 4), 80)}, fixed, "3 refused by port (wants host port 443; on b shop/web.0 holds it)"},
		{"range", []scheduler.Node{held(sized("a", 4, 4), seq(20000, 9)...), held(sized("b", 4, 4), seq(20000, 8)...)}, dynamicPorts(3), "2 refused by port (needs 3 host ports; b has 2 left of 20000 to 20009)"},
		{"most a node", []scheduler.Node{slots("a", 4, 0), slots("b", 2, 0), slots("c", 3, 0)}, most("node", 2), "3 refused by most (wants at most 2 for each node; b has 2)"},
		{"most a zone", []scheduler.Node{slots("a", 3, 0), zone(slots("b", 2, 0), "b"), zone(slots("c", 1, 0), "b"), zone(slots("d", 2, 0), "d")}, most("zone", 2), "4 refused by most (wants at most 2 for each zone; zone d has 2)"},
		{"most by two rules", []scheduler.Node{slots("a", 3, 0), zone(slots("b", 5, 0), "b"), zone(slots("c", 0, 0), "b")},
			ask(func(w *schema.Workload) { w.MaxPer = map[string]int{"node": 1, "zone": 5} }), "3 refused by most (wants at most 5 for each zone; zone b has 5)"},
		{"most, and cpu beside", []scheduler.Node{full(slots("a", 1, 0)), slots("b", 1, 0)}, most("node", 1), "2 refused by most (wants at most 1 for each node; b has 1)"},
		{"most, and just enough beside", []scheduler.Node{full(slots("a", 1, 0)), change(slots("b", 1, 0), func(n *scheduler.Node) { n.Reserved = nodes.Capacity{CPU: 3500, Memory: 3 << 30} })}, most("node", 1),
			"2 refused by most (wants at most 1 for each node; b has 1)"},
		{"apart by node", []scheduler.Node{slots("a", 0, 2), slots("b", 0, 1)}, apart("node"), "2 refused by near (wants to be apart from a/db; b has 1 slot of it)"},
		{"apart by zone", []scheduler.Node{slots("a", 0, 1), slots("b", 0, 2), zone(slots("c", 0, 2), "c")}, apart("zone"), "3 refused by near (wants to be apart from a/db; zone c has 2 slots of it)"},
		{"near", []scheduler.Node{full(slots("a", 0, 0)), slots("b", 0, 0), full(slots("c", 0, 3)), slots("d", 0, 0)}, near("node"),
			"3 refused by near (wants to be near a/db, which is on c; b has none of it); 1 refused by cpu (needs 500m cpu; c has 0 free of 4, 4 reserved)"},
		{"near by zone", []scheduler.Node{slots("a", 0, 0), zone(full(slots("c", 0, 3)), "c"), zone(full(slots("d", 0, 1)), "c")}, near("zone"),
			"1 refused by near (wants to be near a/db, which is in zone c; zone a has none of it); 2 refused by cpu (needs 500m cpu; c has 0 free of 4, 4 reserved)"},
		{"near many", []scheduler.Node{slots("a", 0, 0), full(slots("b", 0, 1)), full(slots("c", 0, 1)), full(slots("d", 0, 1)), full(slots("e", 0, 1)), full(slots("f", 0, 1))}, near("node"),
			"1 refused by near (wants to be near a/db, which is on many nodes; a has none of it); 5 refused by cpu (needs 500m cpu; b has 0 free of 4, 4 reserved)"},
		{"constraints", []scheduler.Node{sized("a", 4, 4), sized("b", 4, 4, "disk", "ssd"), full(sized("c", 4, 4, "rack", "1")), sized("d", 4, 4)},
			wants(schema.Constraint{Attribute: "disk", Op: "exists"}, schema.Constraint{Attribute: "rack", Op: "exists"}),
			"4 refused by constraint (wants rack to exist; b has no such attribute); no node ever could: no one node meets all of its constraints"},
		{"constraints, none near", []scheduler.Node{full(sized("a", 4, 4)), sized("b", 4, 4)}, wants(schema.Constraint{Attribute: "disk", Op: "exists"}, schema.Constraint{Attribute: "rack", Op: "exists"}),
			"2 refused by constraint (wants disk to exist; b has no such attribute, and 1 of its other constraints are broken); no node ever could: no node has disk at all"},
		{"taints", []scheduler.Node{sized("a", 4, 4, "taint.gpu", "", "taint.x", ""), sized("b", 4, 4, "taint.x", "")}, ask(func(*schema.Workload) {}),
			`2 refused by taint (b has the taint "x"); no node ever could: every node that its pool may use has a taint that it does not tolerate`},
		{"pools", []scheduler.Node{sized("a", 4, 4, "zone", "c"), sized("b", 4, 4, "zone", "c", "pool", "inner")}, ask(func(w *schema.Workload) { w.Pool = "outer" }),
			`2 refused by pool (wants pool "outer"; b is in "inner"); no node ever could: no node is of pool "outer" or of one that it is a part of`},
		{"rivals", []scheduler.Node{sized("a", 4, 4), sized("b", 4, 4, "red", "yes")}, ask(func(w *schema.Workload) { w.Pool = "zed" }),
			`2 refused by pool (wants pool "zed", and pools "red" and "zed" both claim b; it is in "red"); no node ever could: no node is of pool "zed" or of one that it is a part of`},
		{"rivals of others", []scheduler.Node{sized("a", 4, 4, "red", "yes"), sized("b", 4, 4, "zone", "c", "pool", "inner")}, ask(func(w *schema.Workload) { w.Pool = "outer" }),
			`2 refused by pool (wants pool "outer"; b is in "inner"); no node ever could: no node is of pool "outer" or of one that it is a part of`},
		{"closed", []scheduler.Node{close(full(sized("a", 4, 4)), "unreachable"), close(sized("b", 4, 4), "unreachable")}, cpuMemory(1, 1), "all are closed (b is unreachable)"},
		{"closed for causes", []scheduler.Node{close(sized("a", 4, 4), "cordoned"), close(sized("b", 4, 4), "unreachable"), close(sized("c", 4, 4), "unreachable")}, cpuMemory(1, 1),
			"all are closed (a is cordoned; in all 2 unreachable, 1 cordoned)"},
		{"closed and ruled out", []scheduler.Node{close(sized("a", 4, 4), "unreachable"), close(sized("b", 4, 4, "disk", "ssd"), "unreachable"), sized("c", 4, 4)}, wants(schema.Constraint{Attribute: "disk", Op: "exists"}),
			"2 refused by closed (b is unreachable); 1 refused by constraint (wants disk to exist; c has no such attribute)"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			pooled := c.name == "pools" || strings.HasPrefix(c.name, "rivals")
			for i := range c.nodes {
				if !pooled && c.nodes[i].Node.Attributes["pool"] == "" {
					c.nodes[i].Node.Attributes["pool"] = "default"
				}
			}
			r := request(work("a/web"), 9)
			c.set(&r)
			pool := scheduler.Pool{Nodes: c.nodes, Holder: func(node string, port int) string {
				if node == "b" && port == 443 {
					return "shop/web.0"
				}
				return ""
			}}
			if pooled {
				pool.Tree = tree
			}
			why := scheduler.Open(pool).Explain(&r)
			if !strings.Contains(c.want, "ever could") { // TestExplain_Never is of that
				why.Never = ""
			}
			want := fmt.Sprintf("none of %d nodes can take it: %s", len(c.nodes), c.want)
			if got := why.String(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestExplain_PortJustGiven: who was placed before in one call is named too.
func TestExplain_PortJustGiven(t *testing.T) {
	w, x := work("a/web"), work("b/web")
	w.Ports = map[string]schema.Port{"http": {Host: 80, Protocol: "tcp"}}
	x.Ports = w.Ports
	_, left := scheduler.Place(scheduler.Pool{Nodes: []scheduler.Node{node("n1")}}, []scheduler.Request{request(w, 0), request(x, 0)})
	if got := left[0].Why.Refusals[0].Nearest; got != "wants host port 80; on n1 a/web.0 holds it" {
		t.Error(got)
	}
}

// TestPlace_AboveTheLimitAlone: what is more than its pool may ever have is told apart
// from what is more than that has left.
func TestPlace_AboveTheLimitAlone(t *testing.T) {
	for _, c := range []struct {
		cpu   schema.CPU
		never string
	}{{700, ""}, {701, "it needs 701m cpu, and pool org may have no more than 700m"}} {
		pool, requests := contest(1, 1000, 1000, []user{{name: "org"}, {"part", "org", 1, c.cpu, 1, 1}})
		pool.Tree.Find("org").Limit = &schema.Quantity{CPU: 700}
		pool.Use = map[string]scheduler.Use{"org": {CPU: 1, Slots: 1}}
		_, unplaced := scheduler.Place(pool, requests)
		if len(unplaced) != 1 || unplaced[0].Why.Never != c.never {
			t.Errorf("%s: %v", c.cpu, unplaced)
		}
	}
}
