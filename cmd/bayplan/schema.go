package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/schema/load"
)

var schemaForms = []string{"cue", "json"}

func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [cue|json]",
		Short: "Print what workloads may say, as CUE or as JSON Schema",
		Long: `Schema prints the rules that every workload is checked against: as CUE, with
what each field means, or as JSON Schema (draft 7) for editors of YAML and JSON. The loader has them built in, and knows more than JSON Schema can say.

A YAML file names the schema for its editor in its first line:

  # yaml-language-server: $schema=../.bayplan/schema.json`,
		Example:   "  bayplan schema\n  bayplan schema json > .bayplan/schema.json",
		Args:      takes("[cue|json]"),
		ValidArgs: schemaForms,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := schemaText(args)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}

func schemaText(args []string) ([]byte, error) {
	switch {
	case len(args) == 0 || args[0] == "cue":
		return load.CUE()
	case !slices.Contains(schemaForms, args[0]):
		return nil, exit.Usagef("bayplan schema json", "the schema is printed as cue or json, not as %q", args[0])
	}
	text, err := load.JSONSchema()
	return append(text, '\n'), err
}
