package schema

import "slices"

// Pool is a named share of the nodes. Pools form a tree; a workload belongs to
// one of them.
type Pool struct {
	Name string `json:"name"`
	// Parent is the pool that this one is a part of; empty at the top.
	Parent string `json:"parent,omitempty"`
	// Nodes select the nodes of the pool; all must hold. A pool without any has
	// those whose attribute "pool" is its name, and any pool may use its
	// parent's.
	Nodes []Constraint `json:"nodes,omitempty"`
	// Weight is the pool's share in proportion to its siblings'.
	Weight int `json:"weight"`
	// Guarantee is held free for the pool even while it does not use it; Limit is
	// what it may have at most. What is nil is not bounded.
	Guarantee *Quantity `json:"guarantee,omitempty"`
	Limit     *Quantity `json:"limit,omitempty"`
	// Lend lets revocable work use what is guaranteed and idle.
	Lend bool `json:"lend,omitempty"`
	// Place is "fullest", which packs nodes, or "emptiest", which spreads.
	Place string `json:"place,omitempty"`
}

// Quantity is an amount of the resources that pools divide.
type Quantity struct {
	CPU    CPU   `json:"cpu,omitempty"`
	Memory Bytes `json:"memory,omitempty"`
}

// DefaultPool is the pool of a workload or a node that names none; there is
// always one.
const DefaultPool = "default"

// PoolNames are the names that a workload may give, sorted: those of pools and
// the default one.
func PoolNames(pools []Pool) []string {
	names := []string{DefaultPool}
	for i := range pools {
		names = append(names, pools[i].Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
