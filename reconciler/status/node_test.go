package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// What a node was ordered and does not take over must not hide behind a node
// that reports well.
func TestOf_NodeThatRefusesItsOrders(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	seen := nodes.Seen{Report: nodes.Report{Node: nodes.Node{Name: "n1"}}, At: now}
	in := status.Input{Now: now, Started: now, Facts: reconciler.Facts{Nodes: []reconciler.NodeFact{{Name: "n1"}}}}
	in.Observed.Nodes = []nodes.Seen{seen}
	if s := status.Of(in); s.Nodes[0].State != "ready" || len(s.Problems) != 0 {
		t.Fatalf("a node that is well: %+v, %+v", s.Nodes, s.Problems)
	}
	seen.Refusal = "the Assignment has 20 bytes, over the limit of 10"
	in.Observed.Nodes = []nodes.Seen{seen}
	s := status.Of(in)
	if n := s.Nodes[0]; n.State != "troubled" || !strings.HasSuffix(n.Reason, seen.Refusal) {
		t.Errorf("node %+v", n)
	}
	if len(s.Problems) != 1 || s.Problems[0].Code != "node-troubled" || !strings.Contains(s.Problems[0].Text, seen.Refusal) ||
		!strings.Contains(s.Problems[0].Next, "order less") {
		t.Errorf("problems %+v", s.Problems)
	}
}
