package memory

import (
	"fmt"
	"strings"

	"github.com/bayplan/bayplan/reconciler/status"
)

// Brief is a status in a few lines, for messages of tests.
func Brief(s *status.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "commit %.8s %s %s\n", s.Revision.Commit, s.Revision.Outcome, s.Revision.Reason)
	for _, w := range s.Workloads {
		fmt.Fprintf(&b, "  %s %s %d/%d healthy %d updated: %s\n", w.Name, w.State, w.Healthy, w.Desired, w.Updated, w.Reason)
		for _, x := range w.Slots {
			fmt.Fprintf(&b, "    %s@%s on %s %s %s stopping=%v restarts=%d\n", x.Slot, x.Digest.Short(), x.Node, x.Phase, x.Health, x.Stopping, x.Restarts)
		}
	}
	for _, n := range s.Nodes {
		fmt.Fprintf(&b, "  node %s %s %s\n", n.Name, n.State, n.Reason)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "  problem %s %s: %s\n", p.Code, p.Subject, p.Text)
	}
	return b.String()
}
