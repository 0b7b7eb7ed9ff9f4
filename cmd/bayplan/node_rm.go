package main

import (
	"fmt"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newNodeRemoveCommand() *cobra.Command {
	var conn client.Config
	force := false
	cmd := &cobra.Command{
		Use:     "rm NODE",
		Aliases: []string{"remove"},
		Short:   "Take a node out of the cluster for good",
		Long: `Rm takes a node out of the cluster: its certificate counts no more, its
connection ends, and what it was to run is placed on others. A node that answers,
still has work or holds volumes is refused; --force removes it all the same, and
then what runs there goes on until someone stops it on that machine, and volumes
that it holds are looked for there no more. The record keeps who removed it: your
certificate's name, and your user's.`,
		Example: "  bayplan node rm n3",
		Args:    takes("NODE"),
		RunE:    func(cmd *cobra.Command, args []string) error { return removeNode(cmd, &conn, args[0], force) },
	}
	cmd.ValidArgsFunction = completeFrom(&conn, nodeNames)
	conn.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&force, "force", false, "also while it answers, has work or holds volumes")
	return cmd
}

func removeNode(cmd *cobra.Command, conn *client.Config, node string, force bool) error {
	c, err := conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.RemoveNode(cmd.Context(), connect.NewRequest(&controlpb.RemoveNodeRequest{Node: node, Force: force, Actor: client.Actor()}))
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", node)
	if force {
		talk(cmd, "what runs there goes on; stop the agent and its containers on that machine")
	}
	return nil
}

func nodeNames(st *status.Status) (all []string) {
	for i := range st.Nodes {
		all = append(all, st.Nodes[i].Name)
	}
	return all
}
