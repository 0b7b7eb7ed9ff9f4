package scheduler

import (
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// What nodes have beside cpu, memory and ports is told by attributes that their
// operator gives them: "capacity.disk" is a size, "device.NAME" a count, and
// "device.NAME.ATTRIBUTE" tells of those devices.
const (
	diskAttribute = "capacity.disk"
	disk          = "disk"
	devicePrefix  = "device."
)

// good is an amount of one of these.
type good struct {
	name   string // "disk" or "device.NAME"
	amount int64
	rules  []schema.Constraint // of a device, on attributes of the node
}

// goodsOf is what a slot of w asks for, disk first, devices by name.
func goodsOf(w *schema.Workload) (all []good) {
	if w.Resources.Disk > 0 {
		all = append(all, good{name: disk, amount: int64(w.Resources.Disk)})
	}
	for _, name := range sortedKeys(w.Resources.Devices) {
		d := w.Resources.Devices[name]
		g := good{name: devicePrefix + name, amount: int64(d.Count)}
		for _, c := range d.Constraints {
			c.Attribute = g.name + "." + c.Attribute
			g.rules = append(g.rules, c)
		}
		all = append(all, g)
	}
	return all
}

// eachGood hands over what a slot of w holds beside cpu, memory and ports.
func eachGood(w *schema.Workload, hold func(name string, amount int64)) {
	if w.Resources.Disk > 0 {
		hold(disk, int64(w.Resources.Disk))
	}
	for name, d := range w.Resources.Devices {
		hold(devicePrefix+name, int64(d.Count))
	}
}

// Hold counts a slot of w among what the node's orders hold.
func (n *Node) Hold(w *schema.Workload) {
	n.reserve(w)
	eachGood(w, func(name string, amount int64) {
		if n.Goods == nil {
			n.Goods = map[string]int64{}
		}
		n.Goods[name] = add(n.Goods[name], amount)
	})
}

// End counts a slot of w, which Hold counted, and its ports among what was told to
// stop to make room for others.
func (n *Node) End(w *schema.Workload, ports map[string]int) {
	n.Ending, n.Ends = with(n.Ending, w), append(n.Ends, Ended{w, ports})
}

func (n *Node) reserve(w *schema.Workload) { n.Reserved = with(n.Reserved, w) }

// with is a capacity and what w asks for, at most the largest amount.
func with(c nodes.Capacity, w *schema.Workload) nodes.Capacity {
	return nodes.Capacity{CPU: schema.CPU(add(int64(c.CPU), int64(w.Resources.CPU))), Memory: schema.Bytes(add(int64(c.Memory), int64(w.Resources.Memory)))}
}

// oddAmount is whether w asks for less than nothing of something, or for no
// pieces of a device: no file that was checked does.
func oddAmount(w *schema.Workload) bool {
	r := &w.Resources
	for _, d := range r.Devices {
		if d.Count <= 0 {
			return true
		}
	}
	return r.CPU < 0 || r.Memory < 0 || r.Disk < 0
}

// stock is one good on all nodes.
type stock struct{ free, all []int64 }

// stockOf counts a good when it is first asked for.
func (t *Table) stockOf(name string) *stock {
	s := t.stocks[name]
	if s != nil {
		return s
	}
	s = &stock{make([]int64, len(t.nodes)), make([]int64, len(t.nodes))}
	for i := range t.nodes {
		s.all[i] = amountOf(t.nodes[i].Node.Attributes, name)
		s.free[i] = sub(s.all[i], t.nodes[i].Goods[name])
	}
	t.stocks[name] = s
	return s
}

// amountOf is how much of a good attributes tell; what cannot be read is none.
func amountOf(attributes map[string]string, name string) int64 {
	if name == disk {
		b, err := schema.ParseBytes(attributes[diskAttribute])
		if err != nil {
			return 0
		}
		return int64(b)
	}
	n, err := strconv.ParseInt(attributes[name], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// text is an amount of a good for people.
func (g *good) text(amount int64) string {
	if g.name == disk {
		return schema.Bytes(max(amount, 0)).Human()
	}
	return strconv.FormatInt(max(amount, 0), 10)
}

func (g *good) label() string { return strings.TrimPrefix(g.name, devicePrefix) }

// filter is the one that a good counts under.
func (g *good) filter() int {
	if g.name == disk {
		return filterDisk
	}
	return filterDevice
}

// lacksGood is the first good that a node has too little of, or −1.
func (g *run) lacksGood(n int32) int {
	for i := range g.goods {
		want := &g.goods[i]
		if broken(g.t.nodes[n].Node, want.rules, g.t.known) >= 0 || g.t.stockOf(want.name).free[n] < want.amount {
			return i
		}
	}
	return -1
}
