package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// sort finds out which nodes are alike: while none of them has an item, the first
// stands for all.
func (p *packing) sort() {
	first := map[string]int32{}
	for i, n := range p.nodes {
		key := p.looks(n)
		if _, known := first[key]; !known {
			first[key] = int32(i)
		}
		p.kind = append(p.kind, first[key])
	}
}

// looks is equal for nodes that no item tells apart.
func (p *packing) looks(n int32) string {
	t, node := p.d.t, &p.d.t.nodes[n]
	var b strings.Builder
	fmt.Fprint(&b, t.class[n], t.cpu[n], t.mem[n], t.capCPU[n], t.capMem[n], node.Ports, node.Node.BusyPorts, node.Node.PortMin, node.Node.PortMax)
	for _, name := range sortedKeys(t.stocks) {
		fmt.Fprint(&b, " ", t.stocks[name].free[n])
	}
	for _, name := range sortedKeys(node.Node.Attributes) {
		if strings.HasPrefix(name, devicePrefix) {
			fmt.Fprintf(&b, " %q", node.Node.Attributes[name])
		}
	}
	for i := range p.items {
		if x := &p.items[i]; !x.again || x.run.r.Leaves != "" {
			fmt.Fprint(&b, " ", p.sees(x, n, node.Node.Name))
		}
	}
	return b.String()
}

// sees is what an item knows of a node by its name, and the slots there that it
// counts.
func (p *packing) sees(x *item, n int32, name string) (all []int32) {
	r, spots := &p.d.requests[x.request], &p.d.t.spots
	for _, is := range []bool{r.Only == name, r.Leaves == name, slices.Contains(r.Except, name), slices.Contains(r.Avoid, name)} {
		all = append(all, int32(boolean(is)))
	}
	all = append(all, spots.find(spots.of(r.Workload.Name), n).slots)
	for k := range r.Workload.Near {
		all = append(all, spots.find(spots.of(r.Workload.Near[k].Workload), n).slots)
	}
	return all
}
