package main

import (
	"slices"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newHistoryCommand() *cobra.Command {
	v, of := &reading{}, ofRepo{}
	cmd := &cobra.Command{
		Use:   "history [WORKLOAD]",
		Short: "List what became of the newest commits, or of one workload's rollouts",
		Long: `History lists the newest commits with their outcomes, as a whole and where they
differ team by team, and with the time that each phase took. Of a workload it lists
how its newest rollouts ended, and the commits that touched it.`,
		Example: "  bayplan history\n  bayplan history shop/web\n  bayplan history -o json | jq '.commits[].outcome'",
		Args:    takes("[WORKLOAD]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return tellHistory(cmd, v, &of, append(args, "")[0])
		},
	}
	cmd.ValidArgsFunction = completeFrom(&v.conn, workloadNames)
	v.addFlags(cmd)
	of.addFlag(cmd, &v.conn)
	return cmd
}

func tellHistory(cmd *cobra.Command, v *reading, of *ofRepo, workload string) error {
	c, err := v.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.History(cmd.Context(), connect.NewRequest(&controlpb.HistoryRequest{Workload: workload}))
	if err != nil {
		return err
	}
	if !v.format.People() && of.name == "" {
		return show.Document(cmd.OutOrStdout(), v.format, r.Msg.Json)
	}
	h, err := document[status.History](r.Msg.Json)
	if err != nil {
		return err
	}
	if of.name != "" {
		repo, err := of.ask(cmd, c)
		if err != nil {
			return err
		}
		h.Commits = slices.DeleteFunc(h.Commits, func(r status.Revision) bool { return r.Repo != repo })
	}
	if !v.format.People() {
		return show.Value(cmd.OutOrStdout(), v.format, h)
	}
	view.History(cmd.OutOrStdout(), h, v.look(cmd))
	return nil
}
