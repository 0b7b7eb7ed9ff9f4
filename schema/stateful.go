package schema

// Identity is what a stateful workload's slots have that are not alike; zero for
// other kinds.
type Identity struct {
	// Quorum is how many slots must serve for the whole to serve; zero is none.
	Quorum int `json:"quorum,omitempty"`
	// Start is how the slots come up at first.
	Start StartOrder `json:"start,omitempty"`
	// Retain is how long a slot's volumes are kept once it is wanted no more; zero
	// is until somebody has them deleted.
	Retain Duration `json:"retain,omitempty"`
}

// StartOrder is whether a slot waits for the lower ones before it first starts.
type StartOrder string

// The orders of starting.
const (
	StartInOrder  StartOrder = "ordered"
	StartTogether StartOrder = "parallel"
)
