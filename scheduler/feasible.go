package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// The filters in the order in which they are asked. The first that refuses a
// node is the one that the node counts under.
const (
	filterNode = iota
	filterClosed
	filterEnding
	filterPool
	filterConstraint
	filterCPU
	filterMemory
	filterPort
	filterCount
)

var filterNames = [filterCount]string{"node", "closed", "ending", "pool", "constraint", "cpu", "memory", "port"}

// DefaultPool is the pool of a node that names none in its "pool" attribute.
const DefaultPool = "default"

// Feasible is whether the node can take the request now. It is the one rule
// for the preview, the placement and the check when an order is made. The text
// tells the miss with amounts.
func Feasible(n *Node, r *Request) (ok bool, filter, miss string) {
	f, _ := refuse(n, r)
	if f < 0 {
		return true, "", ""
	}
	return false, filterNames[f], missText(f, n, r)
}

// refuse is the index of the first filter that refuses, or −1. By how much the
// node misses is comparable within a filter only.
func refuse(n *Node, r *Request) (filter int, by int64) {
	w := r.Workload
	switch {
	case r.Only != "" && r.Only != n.Node.Name:
		return filterNode, 0
	case n.Closed != "":
		return filterClosed, 0
	case len(r.Except) > 0 && slices.Contains(r.Except, n.Node.Name):
		return filterEnding, 0
	}
	if f, by := refuseRules(n, r); f >= 0 {
		return f, by
	}
	cpu, mem := n.free()
	if f, by := short(w, cpu, mem); f >= 0 {
		return f, by
	}
	if len(w.Ports) > 0 && (takenPort(n, w) != 0 || lacksPorts(n, w)) {
		return filterPort, 0
	}
	return -1, 0
}

// refuseRules asks the filters that see nothing of a node but its pool and its
// attributes.
func refuseRules(n *Node, r *Request) (filter int, by int64) {
	w := r.Workload
	if r.Stays {
		return -1, 0
	}
	if poolOf(n.Node) != w.Pool {
		return filterPool, 0
	}
	if i := broken(n.Node, w.Constraints); i >= 0 {
		return filterConstraint, int64(len(w.Constraints) - i)
	}
	return -1, 0
}

// short asks the filters of what is free.
func short(w *schema.Workload, cpu, mem int64) (filter int, by int64) {
	if want := int64(w.Resources.CPU); want > cpu {
		return filterCPU, sub(want, cpu)
	}
	if want := int64(w.Resources.Memory); want > mem {
		return filterMemory, sub(want, mem)
	}
	return -1, 0
}

func poolOf(n *nodes.Node) string {
	if p := n.Attributes["pool"]; p != "" {
		return p
	}
	return DefaultPool
}

// Matches is whether the node satisfies every constraint and is of the pool: the
// rule for where a daemon runs and for whether an instance may stay.
func Matches(n *nodes.Node, w *schema.Workload) bool {
	return poolOf(n) == w.Pool && broken(n, w.Constraints) < 0
}

// broken is the index of the first constraint that the node breaks, or −1.
func broken(n *nodes.Node, cs []schema.Constraint) int {
	for i := range cs {
		if !holds(n, &cs[i]) {
			return i
		}
	}
	return -1
}

func holds(n *nodes.Node, c *schema.Constraint) bool {
	value, have := n.Attributes[c.Attribute]
	switch c.Op {
	case "=":
		return have && value == c.Value
	case "!=":
		return value != c.Value
	case "in":
		return have && slices.Contains(c.Values, value)
	case "exists":
		return have
	}
	return false
}

func missText(filter int, n *Node, r *Request) string {
	w, name := r.Workload, n.Node.Name
	cpu, mem := n.free()
	switch filter {
	case filterNode:
		return fmt.Sprintf("wants node %s", r.Only)
	case filterClosed:
		return fmt.Sprintf("%s is %s", name, n.Closed)
	case filterEnding:
		return fmt.Sprintf("on %s the same instance is still ending", name)
	case filterPool:
		return fmt.Sprintf("wants pool %q; %s is in %q", w.Pool, name, poolOf(n.Node))
	case filterConstraint:
		return constraintMiss(n.Node, &w.Constraints[broken(n.Node, w.Constraints)])
	case filterCPU:
		return fmt.Sprintf("needs %s cpu; %s has %s free of %s, %s reserved", w.Resources.CPU, name,
			schema.CPU(max(cpu, 0)), n.Node.Allocatable.CPU, n.Reserved.CPU)
	case filterMemory:
		return fmt.Sprintf("needs %s memory; %s has %s free of %s, %s reserved", w.Resources.Memory.Human(), name,
			schema.Bytes(max(mem, 0)).Human(), n.Node.Allocatable.Memory.Human(), n.Reserved.Memory.Human())
	}
	if p := takenPort(n, w); p != 0 {
		if has(n.Node.BusyPorts, p) {
			return fmt.Sprintf("wants host port %d; on %s a program outside the cluster holds it", p, name)
		}
		return fmt.Sprintf("wants host port %d; on %s another slot holds it", p, name)
	}
	return fmt.Sprintf("needs %d host ports; %s has %d left of %d to %d", rangePorts(n, w), name,
		freePorts(n), n.Node.PortMin, n.Node.PortMax)
}

func constraintMiss(n *nodes.Node, c *schema.Constraint) string {
	want := c.Op + " " + c.Value
	switch c.Op {
	case "in":
		want = "in " + strings.Join(c.Values, ", ")
	case "exists":
		want = "to exist"
	}
	have, ok := n.Attributes[c.Attribute]
	if !ok {
		return fmt.Sprintf("wants %s %s; %s has no such attribute", c.Attribute, want, n.Name)
	}
	return fmt.Sprintf("wants %s %s; %s has %q", c.Attribute, want, n.Name, have)
}
