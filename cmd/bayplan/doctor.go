package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/doctor"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newDoctorCommand() *cobra.Command {
	var conn client.Config
	var policy string
	format := show.Table
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and the way to the server, and say how to mend it",
		Long: `Doctor checks what this client is configured with, whether the server answers
and is of this version, whether clocks agree, and whether this machine could be
a node: engine, disk, kernel, and with --policy the file that the agent is given by
that flag. Each line is ok, warn or fail, with how to mend
it. It exits with 1 when a line fails.`,
		Example: "  bayplan doctor\n  bayplan doctor -o json",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return examine(cmd, conn, policy, format)
		},
	}
	conn.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&policy, "policy", "", "check the file of what this machine refuses to run, as the agent reads it")
	addFormat(cmd, &format)
	return cmd
}

// diagnosis is the document of `doctor -o json`.
type diagnosis struct {
	Schema string           `json:"schema"`
	Checks []doctor.Finding `json:"checks"`
}

func examine(cmd *cobra.Command, conn client.Config, policy string, format show.Format) error {
	all := doctor.Examine(cmd.Context(), conn)
	if policy != "" {
		all = append(all, doctor.Policy(policy))
	}
	if format.People() {
		printFindings(cmd, all)
	} else if err := show.Value(cmd.OutOrStdout(), format, diagnosis{status.Schema, all}); err != nil {
		return err
	}
	failed := 0
	for _, f := range all {
		if f.State == doctor.Fail {
			failed++
		}
	}
	if failed > 0 {
		return &exit.Error{Code: exit.Failure, Err: fmt.Errorf("%s failed", plural(failed, "check"))}
	}
	return nil
}

func printFindings(cmd *cobra.Command, all []doctor.Finding) {
	out := cmd.OutOrStdout()
	colours := map[doctor.State]show.Colour{doctor.OK: show.Good, doctor.Warn: show.Warn, doctor.Fail: show.Bad}
	paint := show.PaintFor(out)
	t := show.NewColumns(paint, "CHECK", "STATE", "FOUND")
	for _, f := range all {
		t.Row(f.Check, show.Cell{Text: string(f.State), Colour: colours[f.State]}, f.Text)
		if f.Next != "" {
			t.Row("", "", show.Cell{Text: "next: " + f.Next, Colour: show.Strong})
		}
	}
	t.Print(out)
}
