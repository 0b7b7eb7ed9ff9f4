package ledger

import (
	"maps"
	"reflect"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
)

// What is the same need not be written. These may err on the side of false:
// then the stored forms are compared.

// sameSlice is whether both are the very same memory, which values that are
// never changed in place share when they are equal.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func deepEqual[T any](a, b *T) bool { return reflect.DeepEqual(a, b) }

// sameNode leaves the assignment out. It, sameAssignment and sameOrder are
// reflect.DeepEqual at a tenth of its price: each change compares every node of
// the cluster.
func sameNode(a, b *reconciler.NodeFact) bool {
	return a.Name == b.Name && a.Ahead == b.Ahead && slices.Equal(a.Unaware, b.Unaware) && a.Node.Equal(&b.Node)
}

func sameAssignment(a, b *nodes.Assignment) bool {
	return a.Node == b.Node && a.Version == b.Version &&
		(sameSlice(a.Orders, b.Orders) || slices.EqualFunc(a.Orders, b.Orders, sameOrder)) && slices.Equal(a.Deletions, b.Deletions)
}

func sameOrder(a, b nodes.Order) bool {
	return a.ID == b.ID && a.Slot == b.Slot && a.Digest == b.Digest && a.Workload == b.Workload &&
		maps.Equal(a.Ports, b.Ports) && a.Stop == b.Stop && a.Leased == b.Leased && a.Reason == b.Reason && a.Commit == b.Commit &&
		slices.EqualFunc(a.Peers, b.Peers, nodes.Peer.Equal) && a.Step == b.Step && a.Placed == b.Placed && a.Since == b.Since && a.Trace == b.Trace
}
