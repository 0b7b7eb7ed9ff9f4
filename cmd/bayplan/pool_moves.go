package main

import (
	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newPoolMovesCommand() *cobra.Command {
	r, budget := &reading{}, uint32(0)
	cmd := &cobra.Command{
		Use:   "moves",
		Short: "Tell which slots would be better placed on another node",
		Long: `Moves tells which running slots would be better placed elsewhere, such as after
nodes joined, and what each move gains by the rules of its pool, in thousandths:
nodes that are fuller, or emptier in a pool that spreads. No rule is broken, and
of a workload no more slots are named than its maxUnavailable leaves; those with
a volume stay. It only tells: nothing is moved.`,
		Example: "  bayplan pool moves --budget 5",
		Args:    takes(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return r.moves(cmd, budget) },
	}
	cmd.Flags().Uint32Var(&budget, "budget", 10, "how many moves to name at most")
	r.addFlags(cmd)
	return cmd
}

func (r *reading) moves(cmd *cobra.Command, budget uint32) error {
	if budget == 0 {
		return exit.Usagef(cmd.CommandPath()+" --help", "--budget is how many moves to name at most: want 1 or more")
	}
	c, err := r.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Moves(cmd.Context(), connect.NewRequest(&controlpb.MovesRequest{Budget: budget}))
	if err != nil {
		return err
	}
	if !r.format.People() {
		return show.Document(cmd.OutOrStdout(), r.format, answer.Msg.Json)
	}
	doc, err := document[status.Moves](answer.Msg.Json)
	if err != nil {
		return err
	}
	view.Moves(cmd.OutOrStdout(), doc, r.look(cmd))
	return nil
}
