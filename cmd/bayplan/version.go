package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/build"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
)

func newVersionCommand() *cobra.Command {
	format := show.Table
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print which program this is",
		Long:    "Version prints the version of this program, the commit that it was built from and\nthe Go that built it. `bayplan doctor` compares it with the server's.",
		Example: "  bayplan version -o json",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			i := build.Read()
			if !format.People() {
				return show.Value(cmd.OutOrStdout(), format, i)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "bayplan %s (%s, %s)\n", i.Version, i.Go, i.Platform)
			if format == show.Wide && i.Commit != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "commit %s, modified %v\n", i.Commit, i.Modified)
			}
			return nil
		},
	}
	addFormat(cmd, &format)
	return cmd
}
