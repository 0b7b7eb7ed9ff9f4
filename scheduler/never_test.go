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

// TestExplain_NeverIsRight compares with asking each node by hand whether it could
// ever take the request, whatever the nodes have, hold and are closed for. All nodes
// are counted, and Place finds a place exactly where one is not refused.
func TestExplain_NeverIsRight(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pool, r := anyNodes(rt), anyRequest(rt)
		could := slices.ContainsFunc(pool.Nodes, func(n scheduler.Node) bool { return everTakes(pool.Tree, n.Node, &r) })
		why := scheduler.Open(pool).Explain(&r)
		if (why.Never == "") != could && (r.Only == "" || slices.ContainsFunc(pool.Nodes, func(n scheduler.Node) bool { return n.Node.Name == r.Only })) {
			rt.Fatalf("one could: %t, told: %s", could, why.String())
		}
		open := len(pool.Nodes)
		for _, x := range why.Refusals {
			open -= x.Nodes
		}
		placed, _ := scheduler.Place(pool, []scheduler.Request{r})
		if len(placed) != min(open, 1) {
			rt.Fatalf("%d nodes are not refused, and it is placed %v: %s", open, placed, why.String())
		}
	})
}

// anyNodes are a few that differ in all that a request may ask for.
func anyNodes(rt *rapid.T) (p scheduler.Pool) {
	p.Tree = scheduler.Tree{{Name: "a", Parent: "top", Weight: 1}, {Name: "b", Parent: "top", Weight: 1}, {Name: "top", Weight: 1}}
	for i := range rapid.IntRange(1, 5).Draw(rt, "nodes") {
		n := node(fmt.Sprintf("n%d", i))
		n.Node.Attributes = map[string]string{"pool": oneOf(rt, "pool", "a", "b", "top", "top", "z")}
		for _, attribute := range [][]string{{"zone", "", "a", "b"}, {"rack", "", "1"}, {"capacity.disk", "", "1000", "2000"}, {"device.gpu", "", "1", "2", "x"},
			{"device.gpu.model", "", "p", "q"}, {"taint.x", "", "", "", "y"}} {
			if v := oneOf(rt, attribute[0], attribute[1:]...); v != "" {
				n.Node.Attributes[attribute[0]] = v
			}
		}
		n.Node.Allocatable = nodes.Capacity{CPU: oneOf[schema.CPU](rt, "cpu", 1000, 2000, 4000), Memory: oneOf[schema.Bytes](rt, "memory", 1000, 2000, 4000)}
		n.Node.PortMin, n.Node.PortMax = 100, oneOf(rt, "last port", 99, 100, 101, 105)
		n.Slots = map[string]int{"t/other": oneOf(rt, "slots", 0, 0, 2)}
		if oneOf(rt, "closed", false, false, true) {
			n.Closed = "unreachable"
		}
		if oneOf(rt, "in use", false, false, true) {
			n.Reserved, n.Ports, n.Goods = nodes.Capacity{CPU: 1000, Memory: 1000}, []int{101}, map[string]int64{"device.gpu": 1, "disk": 1000}
		}
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

func oneOf[V any](rt *rapid.T, what string, values ...V) V {
	return rapid.SampledFrom(values).Draw(rt, what)
}

// anyRequest asks for some of what anyNodes have.
func anyRequest(rt *rapid.T) scheduler.Request {
	w := work("t/w")
	w.Pool = oneOf(rt, "pool", "a", "b", "top")
	w.Resources = schema.Resources{CPU: oneOf[schema.CPU](rt, "cpu", 0, 500, 1500, 3000), Memory: oneOf[schema.Bytes](rt, "memory", 0, 500, 1500, 3000), Disk: oneOf[schema.Bytes](rt, "disk", 0, 0, 0, 1500)}
	for range oneOf(rt, "constraints", 0, 0, 1, 2) {
		w.Constraints = append(w.Constraints, schema.Constraint{Attribute: oneOf(rt, "of", "zone", "rack", "nix"), Op: oneOf(rt, "op", "=", "!=", "exists"), Value: oneOf(rt, "value", "a", "b", "1")})
	}
	if oneOf(rt, "tolerates", false, true) {
		w.Tolerates = []string{"x"}
	}
	if oneOf(rt, "device", false, false, true) {
		d := schema.Device{Count: oneOf(rt, "count", 1, 2)}
		if oneOf(rt, "of a model", false, true) {
			d.Constraints = []schema.Constraint{{Attribute: "model", Op: "=", Value: "p"}}
		}
		w.Resources.Devices = map[string]schema.Device{"gpu": d}
	}
	for i := range oneOf(rt, "ports", 0, 0, 1, 2, 3) {
		if w.Ports == nil {
			w.Ports = map[string]schema.Port{}
		}
		w.Ports[fmt.Sprint("p", i)] = schema.Port{Host: oneOf(rt, "host port", 0, 0, 100+i, 80+i)}
	}
	for range oneOf(rt, "neighbours", 0, 0, 1, 2) {
		w.Near = append(w.Near, schema.Near{Workload: "t/other", Over: oneOf(rt, "over", "node", "zone", "rack"), Must: oneOf(rt, "must", false, true), Apart: oneOf(rt, "apart", false, true), Weight: 10})
	}
	if oneOf(rt, "bound", false, false, true) {
		w.MaxPer = map[string]int{"node": 1}
	}
	r := request(w, 0)
	r.Only = oneOf(rt, "only", "", "", "", "n0", "n1")
	r.Stays = r.Only != "" && oneOf(rt, "stays", false, true)
	return r
}

// everTakes is whether a node could take the request were it open and empty.
func everTakes(tree scheduler.Tree, n *nodes.Node, r *scheduler.Request) bool {
	return (r.Only == "" || r.Only == n.Name) && (r.Stays || letsIn(tree, n, r.Workload)) && hasInAll(n, r.Workload)
}

func letsIn(tree scheduler.Tree, n *nodes.Node, w *schema.Workload) bool {
	for name := range n.Attributes {
		if taint, is := strings.CutPrefix(name, "taint."); is && !slices.Contains(w.Tolerates, taint) {
			return false
		}
	}
	breaks := func(c schema.Constraint) bool { return !c.Holds(n.Attributes, nil) }
	lonely := func(x schema.Near) bool {
		_, have := n.Attributes[x.Over]
		return x.Must && !x.Apart && x.Over != "node" && !have
	}
	return tree.Within(w.Pool, n.Attributes["pool"]) && !slices.ContainsFunc(w.Constraints, breaks) && !slices.ContainsFunc(w.Near, lonely)
}

func hasInAll(n *nodes.Node, w *schema.Workload) bool {
	disk, _ := schema.ParseBytes(n.Attributes["capacity.disk"])
	for name, d := range w.Resources.Devices {
		count := 0
		_, _ = fmt.Sscan(n.Attributes["device."+name], &count)
		for _, c := range d.Constraints {
			if c.Attribute = "device." + name + "." + c.Attribute; !c.Holds(n.Attributes, nil) {
				return false
			}
		}
		if count < d.Count {
			return false
		}
	}
	ports := 0
	for _, p := range w.Ports {
		if p.Host == 0 || p.Host >= n.PortMin && p.Host <= n.PortMax {
			ports++
		}
	}
	return w.Resources.CPU <= n.Allocatable.CPU && w.Resources.Memory <= n.Allocatable.Memory && w.Resources.Disk <= disk && ports <= max(n.PortMax-n.PortMin+1, 0)
}
