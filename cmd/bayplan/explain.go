package main

import (
	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newExplainCommand() *cobra.Command {
	r := &reading{}
	cmd := &cobra.Command{
		Use:   "explain SLOT",
		Short: "Tell why a slot is where it is, or why it is nowhere",
		Long: `Explain tells why a slot runs on its node, or what keeps it from any: how many
nodes each filter refused and by how much, what failed there, and what led to it.`,
		Example: "  bayplan explain shop/web.0",
		Args:    takes("SLOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.explain(cmd, args[0])
		},
	}
	cmd.ValidArgsFunction = completeFrom(&r.conn, slotNames)
	r.addFlags(cmd)
	return cmd
}

func (r *reading) explain(cmd *cobra.Command, slot string) error {
	c, err := r.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Explain(cmd.Context(), connect.NewRequest(&controlpb.ExplainRequest{Slot: slot}))
	if err != nil {
		return err
	}
	if !r.format.People() {
		return show.Document(cmd.OutOrStdout(), r.format, answer.Msg.Json)
	}
	e, err := document[status.Explanation](answer.Msg.Json)
	if err != nil {
		return err
	}
	view.Explanation(cmd.OutOrStdout(), e, r.look(cmd))
	return nil
}
