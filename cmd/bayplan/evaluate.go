package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

const evalTimeoutUsage = "how long one folder may take to evaluate"

// evaluating is what the verbs that read a tree have in common.
type evaluating struct{ timeout time.Duration }

func (e *evaluating) addFlags(cmd *cobra.Command) {
	cmd.PreRunE = e.check
	cmd.Flags().DurationVar(&e.timeout, "eval-timeout", load.DefaultPackageTime, evalTimeoutUsage)
}

func (e *evaluating) check(cmd *cobra.Command, _ []string) error {
	if e.timeout <= 0 {
		return exit.Usagef(cmd.CommandPath()+" --help", "--eval-timeout is how long a folder may take: want more than 0")
	}
	return nil
}

// load evaluates a tree until a signal ends the verb.
func (e *evaluating) load(cmd *cobra.Command, dir string) (schema.Spec, error) {
	return tree.Load(cmd.Context(), dir, e.timeout)
}
