package main

import (
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newNodeCordonCommand() *cobra.Command {
	_, cmd := wishes(reconciler.CordonNode, "NODE", openNodes, cobra.Command{
		Short: "Close a node to new work",
		Long: `Cordon closes a node to new work. What runs there goes on; what is at home there,
a daemon's slot or one whose volume is there, is still updated and started again.`,
		Example: "  bayplan node cordon n3 --reason 'a noisy fan'",
	})
	return cmd
}

func newNodeUncordonCommand() *cobra.Command {
	_, cmd := wishes(reconciler.UncordonNode, "NODE", closedNodes, cobra.Command{
		Short:   "Open a node to new work again, and end its drain",
		Long:    `Uncordon opens a cordoned node to new work, and ends a drain wherever it is.`,
		Example: "  bayplan node uncordon n3",
	})
	return cmd
}

func newNodeDrainCommand() *cobra.Command {
	w, cmd := wishes(reconciler.DrainNode, "NODE", undrainedNodes, cobra.Command{
		Short: "Move what runs on a node to others",
		Long: `Drain closes a node to new work and moves what runs there to other nodes, each
slot beside its old instance first, and never more at a time than the workload's
maxSurge and maxUnavailable allow. Daemons end last; then the node is drained,
and stays so until ` + "`bayplan node uncordon`" + `. What cannot move is named by
` + "`bayplan status`" + ` and goes on running: a slot whose volume is there, or one that has
no room elsewhere. That a deadline is over is told, and stops nothing.`,
		Example: "  bayplan node drain n3 --reason 'new disks' --deadline 30m\n  bayplan node ls -w",
	})
	cmd.Flags().DurationVar(&w.lasts, "deadline", 0, "tell when it is not drained within this time")
	return cmd
}

// nodesThat are the names of nodes by whether they are closed to new work and
// whether they are drained or being so.
func nodesThat(keep func(closed, drains bool) bool) func(*status.Status) []string {
	return func(st *status.Status) (all []string) {
		for i := range st.Nodes {
			n := &st.Nodes[i]
			if keep(n.Cordon != nil, n.Cordon != nil && n.Cordon.Drain) {
				all = append(all, n.Name)
			}
		}
		return all
	}
}

var (
	openNodes      = nodesThat(func(closed, _ bool) bool { return !closed })
	closedNodes    = nodesThat(func(closed, _ bool) bool { return closed })
	undrainedNodes = nodesThat(func(_, drains bool) bool { return !drains })
)
