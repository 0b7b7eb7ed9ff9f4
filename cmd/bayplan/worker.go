package main

import (
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/reconciler/evaluate"
)

// newWorkerCommand is the process that evaluates what others wrote, on behalf of
// the server that started it. It is for nobody to type.
func newWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "worker",
		Short:  "Evaluate packages for the server that started this, through pipes",
		Hidden: true,
		Args:   takes(),
		RunE:   func(*cobra.Command, []string) error { return evaluate.Work() },
	}
}
