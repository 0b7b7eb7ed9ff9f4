package scheduler

import (
	"cmp"
	"math/bits"
	"slices"
)

// index finds, among the nodes of one class, those that fit a request best. The
// nodes that have the same room are one state; the states of a class lie on its
// shelf in cells, a grid over what is free of cpu and memory whose steps grow
// with the amount. A cell's corner bounds the score of all that is in it, so
// that few cells are looked into.
type index struct {
	states []state
	spare  []int32 // states that hold no node
	of     []int32 // the state of each node; −1 is out of the index
	shelf  []shelf // by class
}

// state is all nodes of a class with the same room.
type state struct {
	cpu, mem       int64 // free
	capCPU, capMem int64
	class          int32
	live           int32 // nodes of it
	// nodes is a heap whose first is the least. A node that left stays in it
	// until it comes to the front.
	nodes []int32
}

// shelf is one class: its cells by rising corner, of cpu first.
type shelf struct {
	cells []cell
	// least and most bound what its nodes have in all.
	leastCPU, mostCPU, leastMem, mostMem int64
}

type cell struct {
	row, column uint8
	states      []int32
}

// rung is the step of the grid in which an amount lies: four to a doubling.
func rung(v int64) uint8 {
	if v < 4 {
		return uint8(max(v, 0))
	}
	e := bits.Len64(uint64(v)) - 1
	return uint8((e-1)*4 + int(v>>(e-2))&3)
}

// foot is the least amount in a step.
func foot(r uint8) int64 {
	if r < 4 {
		return int64(r)
	}
	return int64(4+r%4) << (r/4 - 1)
}

func compareCell(c cell, at [2]uint8) int {
	return cmp.Or(cmp.Compare(c.row, at[0]), cmp.Compare(c.column, at[1]))
}

// enter puts a node with this room on the shelf of its class.
func (x *index) enter(node, class int32, cpu, mem, capCPU, capMem int64) {
	s := &x.shelf[class]
	at := [2]uint8{rung(cpu), rung(mem)}
	i, found := slices.BinarySearchFunc(s.cells, at, compareCell)
	if !found {
		s.cells = slices.Insert(s.cells, i, cell{row: at[0], column: at[1]})
	}
	c := &s.cells[i]
	id := x.find(c, cpu, mem, capCPU, capMem)
	if id < 0 {
		id = x.fresh()
		st := &x.states[id]
		*st = state{cpu: cpu, mem: mem, capCPU: capCPU, capMem: capMem, class: class, nodes: st.nodes[:0]}
		c.states = append(c.states, id)
	}
	st := &x.states[id]
	st.nodes = push(st.nodes, node)
	st.live++
	x.of[node] = id
}

func (x *index) find(c *cell, cpu, mem, capCPU, capMem int64) int32 {
	for _, id := range c.states {
		if s := &x.states[id]; s.cpu == cpu && s.mem == mem && s.capCPU == capCPU && s.capMem == capMem {
			return id
		}
	}
	return -1
}

func (x *index) fresh() int32 {
	if k := len(x.spare); k > 0 {
		id := x.spare[k-1]
		x.spare = x.spare[:k-1]
		return id
	}
	x.states = append(x.states, state{})
	return int32(len(x.states) - 1)
}

// leave takes a node out; one that is out already stays so.
func (x *index) leave(node int32) {
	id := x.of[node]
	if id < 0 {
		return
	}
	x.of[node] = -1
	st := &x.states[id]
	if st.live--; st.live > 0 {
		return
	}
	s := &x.shelf[st.class]
	i, _ := slices.BinarySearchFunc(s.cells, [2]uint8{rung(st.cpu), rung(st.mem)}, compareCell)
	c := &s.cells[i]
	k := slices.Index(c.states, id)
	c.states[k] = c.states[len(c.states)-1]
	c.states = c.states[:len(c.states)-1]
	st.nodes = st.nodes[:0]
	x.spare = append(x.spare, id)
}

// first is the least node of a state; −1 if it has none.
func (x *index) first(id int32) int32 {
	st := &x.states[id]
	for len(st.nodes) > 0 {
		if n := st.nodes[0]; x.of[n] == id {
			return n
		}
		st.nodes = pop(st.nodes)
	}
	return -1
}

// query is what a request asks of the index.
type query struct {
	cpu, mem int64
	// level prefers the emptiest node, not the fullest.
	level bool
}

// score is how well a node with this room suits, 0 to 1000.
func (q *query) score(cpu, mem, capCPU, capMem int64) int32 {
	f := fit(cpu-q.cpu, capCPU, mem-q.mem, capMem)
	if q.level {
		return 1000 - f
	}
	return f
}

// bound is what no node in a cell scores above: the score of the corner nearest to
// what is preferred, of its two powers of ten.
func (q *query) bound(cpu, mem int32) int32 {
	f := fitOf(20*tenScale - cpu - mem)
	if q.level {
		return 1000 - f
	}
	return f
}

// rowPower and columnPower are the powers of ten of a cell's corner.
func (q *query) rowPower(s *shelf, row uint8) int32 {
	if q.level {
		return tenTo(foot(row+1)-q.cpu, s.leastCPU)
	}
	return tenTo(foot(row)-q.cpu, s.mostCPU)
}

func (q *query) columnPower(s *shelf, column uint8) int32 {
	if q.level {
		return tenTo(foot(column+1)-q.mem, s.leastMem)
	}
	return tenTo(foot(column)-q.mem, s.mostMem)
}

// best are the states of the class that suit the request best, appended to
// into, each with its first node, and their score; −1 if none has room.
func (x *index) best(class int32, q *query, into []uint64) (int32, []uint64) {
	s := &x.shelf[class]
	score, least := int32(-1), [2]uint8{rung(q.cpu), rung(q.mem)}
	from, _ := slices.BinarySearchFunc(s.cells, [2]uint8{least[0], 0}, compareCell)
	row, power := -1, int32(0)
	edge := q.columnPower(s, q.edge(least[1]))
	for k := range s.cells[from:] {
		i := from + k
		if q.level {
			i = len(s.cells) - 1 - k
		}
		c := &s.cells[i]
		if len(c.states) == 0 || c.column < least[1] {
			continue
		}
		if int(c.row) != row {
			row, power = int(c.row), q.rowPower(s, c.row)
			if q.bound(power, edge) < score {
				break
			}
		}
		if q.bound(power, q.columnPower(s, c.column)) < score {
			continue
		}
		score, into = x.look(c, q, score, into)
	}
	return score, into
}

// edge is the column of a row that could hold the best, column being the least
// that is asked.
func (q *query) edge(column uint8) uint8 {
	if q.level {
		return topRung
	}
	return column
}

// topRung is the highest step: foot(topRung+1) still is an amount.
const topRung = 246

// look scores the states of one cell.
func (x *index) look(c *cell, q *query, score int32, into []uint64) (int32, []uint64) {
	for _, id := range c.states {
		st := &x.states[id]
		if st.cpu < q.cpu || st.mem < q.mem {
			continue
		}
		got := q.score(st.cpu, st.mem, st.capCPU, st.capMem)
		if got < score {
			continue
		}
		if got > score {
			score, into = got, into[:0]
		}
		into = push(into, pair(x.first(id), id))
	}
	return score, into
}

// pair orders states by their first node.
func pair(node, state int32) uint64 { return uint64(node)<<32 | uint64(uint32(state)) }

func unpair(p uint64) (node, state int32) { return int32(p >> 32), int32(uint32(p)) }
