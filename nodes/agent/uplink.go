package agent

import (
	"context"
	"io"

	"github.com/bayplan/bayplan/nodes"
)

// Uplink is the way to the server. nodes/wire has the real one.
type Uplink interface {
	// Run keeps a session with the server until ctx ends, reconnecting by
	// itself. On every connect it sends report() in full; whenever changed
	// yields, it sends what differs. Every Assignment that arrives goes to
	// assign, in order, on one goroutine. A Console that the server asks for is
	// served by console on a goroutine of its own.
	Run(ctx context.Context, n Node) error
}

// Node is the agent as its Uplink sees it.
type Node interface {
	// Report is the node's present state.
	Report() nodes.Report
	// Changed yields (capacity 1, never closed) after the Report changed.
	Changed() <-chan struct{}
	// Assign takes over a newer Assignment; an error refuses it.
	Assign(nodes.Assignment) error
	// Holds is the Assignment that it lives by.
	Holds() nodes.Assignment
	// Logs and Exec serve a console.
	Logs(ctx context.Context, id string, o LogOptions, w io.Writer) error
	Exec(ctx context.Context, id string, e Exec) (int, error)
}
