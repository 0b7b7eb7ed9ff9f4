package schema

// Constraint is a rule on a node's attributes; every one of a workload's must
// hold.
type Constraint struct {
	Attribute string `json:"attribute"`
	// Op is "=", "!=", "in", "exists", "matches" (a regular expression, anywhere
	// in the value), "<", "<=", ">", ">=" (of numbers) or "version".
	Op     string   `json:"op"`
	Value  string   `json:"value,omitempty"`
	Values []string `json:"values,omitempty"`
}

// Affinity is a wish: a node for which the constraint holds is preferred.
type Affinity struct {
	Constraint
	// Weight is in percent of what lies between an empty and a full node, −100 to
	// 100; a negative one is an aversion.
	Weight int `json:"weight"`
}

// Spread asks for the slots to be shared out over the values of an attribute.
type Spread struct {
	// Over is the attribute; "node" is each node for itself.
	Over string `json:"over"`
	// Weight is what each slot above its value's share costs, in percent of what
	// lies between an empty and a full node.
	Weight int `json:"weight"`
	// Targets are the shares by value, in proportion to each other. Without any,
	// all are equal; with some, a value that has none is to have no slot.
	Targets map[string]int `json:"targets,omitempty"`
}

// Near asks for a place beside the slots of another workload, or apart from
// them.
type Near struct {
	// Workload is "team/name".
	Workload string `json:"workload"`
	// Over is the attribute whose values are one place; "node" is each node.
	Over  string `json:"over"`
	Apart bool   `json:"apart,omitempty"`
	// Must refuses all other places; without it, Weight is what a place counts,
	// in percent of what lies between an empty and a full node.
	Must   bool `json:"must,omitempty"`
	Weight int  `json:"weight"`
}

// EachNode is the attribute that stands for every node by itself in Spread,
// Near and MaxPer.
const EachNode = "node"
