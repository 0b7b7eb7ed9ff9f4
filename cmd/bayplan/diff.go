package main

import (
	"cmp"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newDiffCommand() *cobra.Command {
	e, format, exitCode := &evaluating{open: true}, show.Table, false
	cmd := &cobra.Command{
		Use:   "diff A..B",
		Short: "Show what differs between two commits, field by field",
		Long: `Diff evaluates two commits of the repository that you are in and shows what
differs in what they ask for: each field with both values and where it stands,
defaults and shared definitions included, whatever files they come from. It asks
no server. A...B begins where B left A; a side that is left out is HEAD.

What looks like a secret is not shown, only that it differs. With --exit-code it
ends with 2 where anything differs.`,
		Example: "  bayplan diff v1.2..v1.3\n  bayplan diff origin/main... -o json",
		Args:    takes("A..B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !tree.IsRange(args[0]) {
				return exit.Usagef("name two commits, such as "+args[0]+"..HEAD", "%q is no range of commits", args[0])
			}
			head, base, broken, err := e.texts(cmd, args)
			if err = cmp.Or(err, broken); err != nil {
				return err
			}
			d := status.Diff(&base.spec, &head.spec)
			locate(cmd.Context(), d.Changes, head, base, e.places())
			if format.People() {
				view.Diff(cmd.OutOrStdout(), &d, view.Look{Paint: show.PaintFor(cmd.OutOrStdout())})
			} else if err := show.Value(cmd.OutOrStdout(), format, d); err != nil {
				return err
			}
			if exitCode && len(d.Changes)+len(d.Cluster) > 0 {
				return exit.Silent(exit.Changes)
			}
			return nil
		},
	}
	addFormat(cmd, &format)
	e.addFlags(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 2 when anything differs")
	return cmd
}
