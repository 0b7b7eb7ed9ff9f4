package status

import "github.com/bayplan/bayplan/nodes"

// Images is the document of `bayplan image ls`.
type Images struct {
	Schema string `json:"schema"`
	// Images are sorted by node; of one node the one used last comes first.
	Images []Image `json:"images"`
	// Failed are the nodes that could not be asked, sorted.
	Failed []NodeFailure `json:"failed"`
}

// Image is one that a node keeps.
type Image struct {
	Node string `json:"node"`
	nodes.Image
}

// Pruning is the document of `bayplan image prune`.
type Pruning struct {
	Schema string `json:"schema"`
	// Nodes are those that were cleared, sorted by name.
	Nodes []Pruned `json:"nodes"`
	// Failed are the nodes that could not be cleared, sorted.
	Failed []NodeFailure `json:"failed"`
}

// Pruned is what a clearing removed from one node.
type Pruned struct {
	Node string `json:"node"`
	nodes.Pruned
}

// NodeFailure is why something could not be done on a node.
type NodeFailure struct {
	Node string `json:"node"`
	Text string `json:"text"`
}
