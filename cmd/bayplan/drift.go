package main

import (
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newDriftCommand() *cobra.Command {
	r, of, exitCode := &reading{}, ofRepo{}, false
	cmd := &cobra.Command{
		Use:   "drift [WORKLOAD|TEAM]",
		Short: "Show where what runs is not what the repository asks for, and why",
		Long: `Drift compares what the newest commit asks for with what the nodes report: a
commit that is not in force, slots that are missing, run another version, are
there and should not be, are not well, or are on a node of which nothing is known.
Each has its cause and the next step. A rollout under way is a difference until it
has ended. With --exit-code it ends with 2 where anything differs.`,
		Example: "  bayplan drift\n  bayplan drift shop --exit-code",
		Args:    takes("[WORKLOAD|TEAM]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.conn.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			st, err := ask(cmd.Context(), c)
			if err != nil {
				return err
			}
			if st, err = of.narrow(st); err != nil {
				return err
			}
			d := status.DriftOf(st, append(args, "")[0])
			if r.format.People() {
				view.Drift(cmd.OutOrStdout(), &d, r.look(cmd))
			} else if err := show.Value(cmd.OutOrStdout(), r.format, d); err != nil {
				return err
			}
			if exitCode && len(d.Items) > 0 {
				return exit.Silent(exit.Changes)
			}
			return nil
		},
	}
	cmd.ValidArgsFunction = completeFrom(&r.conn, workloadsAndTeams)
	r.addFlags(cmd)
	of.addFlag(cmd, &r.conn)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 2 when anything differs")
	return cmd
}
