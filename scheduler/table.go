package scheduler

import (
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Table is a pool laid out for placing: it counts what it gives away against
// what is asked of it next. The pool that it was made of stays as it is.
type Table struct {
	nodes []Node
	// What is free and what there is in all, by node. Sums that no int64 holds
	// stop at the largest one.
	cpu, mem, capCPU, capMem []int64
	ownPorts                 []bool // whether the node's Ports are the Table's to write to

	tree   Tree
	shares *shares
	owner  []int32 // the pool that each node is of
	known  schema.Patterns
	stocks map[string]*stock
	holder func(node string, port int) string
	dealt  *deal   // the call of Place that is under way
	ends   []int32 // the nodes with Ending orders, once they were asked for

	traits  []trait // what classes tell apart, by attribute
	class   []int32 // of each node
	classes []class
	index   index
	spots   spots
	held    *run   // the run that has nodes out of the index
	over    []*run // runs whose memory can be used again

	// Of the nodes that the held run looks at one by one, marks has its turn and
	// their spots.
	turn  int32
	marks []mark
	rank  []uint64 // as the held run ranks it

	ports []int // room for ports that are still to be given
	cut   int   // how much of it was made last
}

// class is nodes that every rule on attributes treats alike.
type class struct {
	// head is its first node, which stands for all in rules on attributes.
	head int32
	// home is that of its nodes.
	home Home
	// view is where the run that holds the index has it among its views, if it
	// has.
	view int32
}

// mark is a node's spot in the turn of a run.
type mark struct{ turn, spot int32 }

// Open lays a pool out.
func Open(pool Pool) *Table {
	n := len(pool.Nodes)
	amounts := make([]int64, 4*n)
	numbers := make([]int32, 2*n)
	t := &Table{nodes: slices.Clone(pool.Nodes), ownPorts: make([]bool, n), spots: spots{first: map[string]int32{}},
		tree: pool.Tree, known: schema.Patterns{}, stocks: map[string]*stock{}, holder: pool.Holder,
		cpu: amounts[:n], mem: amounts[n : 2*n], capCPU: amounts[2*n : 3*n], capMem: amounts[3*n:],
		class: numbers[:n], marks: make([]mark, n)}
	t.index.of, t.rank = numbers[n:], make([]uint64, n)
	for i := range t.nodes {
		t.capCPU[i], t.capMem[i] = room(t.nodes[i].Node.Allocatable)
		t.reckon(int32(i))
		for name, slots := range t.nodes[i].Slots {
			if slots > 0 {
				t.spots.at(t.spots.add(t.spots.of(name), int32(i))).slots = int32(slots)
			}
		}
	}
	t.classify()
	t.shares = t.sharesOf(pool.Use)
	return t
}

// room is an amount within what the index counts in.
func room(c nodes.Capacity) (cpu, mem int64) {
	return min(int64(c.CPU), math.MaxInt64>>4), min(int64(c.Memory), math.MaxInt64>>4)
}

// reckon brings what is free of a node up to date.
func (t *Table) reckon(i int32) {
	was := t.freeOf(i)
	t.cpu[i], t.mem[i] = t.nodes[i].free()
	if s := t.shares; s != nil && s.promised && t.nodes[i].Closed == "" {
		s.free(t.owner[i], was, t.freeOf(i))
	}
}

// free is what is left of a node; a part is negative where more is held than
// there is.
func (n *Node) free() (cpu, mem int64) {
	cpu, mem = room(n.Node.Allocatable)
	return sub(cpu, int64(n.Reserved.CPU)), sub(mem, int64(n.Reserved.Memory))
}

// add is a + b for amounts that are not negative, at most the largest int64.
func add(a, b int64) int64 {
	if s := a + b; s >= a {
		return s
	}
	return math.MaxInt64
}

// sub is a − b, within what an int64 holds.
func sub(a, b int64) int64 {
	d := a - b
	if b >= 0 && d > a {
		return math.MinInt64
	}
	if b < 0 && d < a {
		return math.MaxInt64
	}
	return d
}

// enter puts a node where it is found, unless it takes no work at all.
func (t *Table) enter(i int32) {
	if t.nodes[i].Closed == "" {
		t.index.enter(i, t.class[i], t.cpu[i], t.mem[i], t.capCPU[i], t.capMem[i])
	}
}

// hold gives the index to a run; what another one had out of it returns.
func (t *Table) hold(r *run) {
	if t.held == r {
		return
	}
	if t.held != nil {
		t.held.yield()
	}
	t.held = r
	if r != nil {
		r.resume()
	}
}

// at finds a node by name; −1 if there is none.
func (t *Table) at(name string) int32 {
	if name == "" {
		return -1
	}
	i, found := sort.Find(len(t.nodes), func(i int) int { return strings.Compare(name, t.nodes[i].Node.Name) })
	if !found {
		return -1
	}
	return int32(i)
}

// Name is the i-th node's.
func (t *Table) Name(i int) string { return t.nodes[i].Node.Name }

// Lift takes off the i-th node what an instance of w that holds ports has
// there, for as long as it takes to ask for the same again, and returns how to
// put it back.
func (t *Table) Lift(i int, w *schema.Workload, ports map[string]int) (back func()) {
	return t.lift(i, w, ports, t.count)
}

// lift is Lift where its slots are counted by count.
func (t *Table) lift(i int, w *schema.Workload, ports map[string]int, count func(i int32, w *schema.Workload, slots int32)) (back func()) {
	t.hold(nil)
	was, own := t.nodes[i], t.ownPorts[i]
	t.set(int32(i), t.nodes[i].without(w, ports), false)
	count(int32(i), w, -1)
	return func() {
		t.hold(nil)
		t.set(int32(i), was, own)
		count(int32(i), w, 1)
	}
}

// Keep holds ports of the i-th node beside what holds them already.
func (t *Table) Keep(i int, ports []int) {
	t.hold(nil)
	n := t.nodes[i]
	fresh := slices.DeleteFunc(slices.Clone(ports), func(p int) bool { return has(n.Ports, p) })
	n.Ports = withPorts(n.Ports, fresh, false)
	t.set(int32(i), n, true)
}

func (t *Table) set(i int32, n Node, own bool) {
	t.index.leave(i)
	t.nodes[i], t.ownPorts[i] = n, own
	t.reckon(i)
	t.enter(i)
}

// count adds slots of w to what the i-th node holds beside cpu, memory and
// ports.
func (t *Table) count(i int32, w *schema.Workload, slots int32) {
	t.spots.find(t.spots.of(w.Name), i).slots += slots
	t.countUnseen(i, w, slots)
}

// countUnseen is count for as long as nobody asks how many slots of w there are: a
// workload on many nodes is long to be found.
func (t *Table) countUnseen(i int32, w *schema.Workload, slots int32) { t.goods(i, w, -int64(slots)) }
