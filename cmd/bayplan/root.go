package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

// chapter is one group of verbs in the help text.
type chapter struct {
	id, title string
	verbs     []*cobra.Command
}

// chapters are all verbs. Making one must cost nothing: what it needs is made
// when it runs.
func chapters() []chapter {
	return []chapter{
		{"write", "Write and check:", []*cobra.Command{newInitCommand(), newSchemaCommand(), newValidateCommand(), newRenderCommand(), newPlanCommand(), newDiffCommand(), newSnapshotCommand()}},
		{"see", "See what happens:", []*cobra.Command{newStatusCommand(), newRunsCommand(), newEventsCommand(), newLogsCommand(), newExplainCommand(), newDriftCommand(), newBlameCommand(), newRolloutCommand(), newHistoryCommand(), newPoolCommand()}},
		{"act", "Act:", []*cobra.Command{newApproveCommand(), newPromoteCommand(), newAbortCommand(), newPauseCommand(), newResumeCommand(), newRestartCommand(), newRetryCommand(), newUndoCommand(),
			newHoldCommand(), newReleaseCommand(), newExecCommand(), newNodeCommand(), newVolumeCommand(), newImageCommand()}},
		{"run", "Run a cluster:", []*cobra.Command{newDevCommand(), newServerCommand(), newAgentCommand()}},
		{"help", "Help yourself:", []*cobra.Command{newDoctorCommand(), newVersionCommand()}},
	}
}

const rootLong = `Bayplan runs what a Git repository says. Teams commit workloads, the server
reconciles the nodes with the commit, agents run the containers. There is no
apply: a push is the only way to change what should run.`

// newRoot is the whole command line, verbs in the order of their chapters.
func newRoot() *cobra.Command {
	cobra.EnableCommandSorting = false
	root := &cobra.Command{
		Use:           "bayplan",
		Short:         "A cluster orchestrator whose bay plan is a Git repository",
		Long:          rootLong,
		Example:       "  bayplan dev                 # a whole cluster on this machine\n  bayplan plan                # what your tree would change, and where it lands\n  bayplan status -w           # watch it happen",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noVerb,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exit.Usagef(cmd.CommandPath()+" --help", "%w", err)
	})
	for _, c := range chapters() {
		root.AddGroup(&cobra.Group{ID: c.id, Title: c.title})
		for _, v := range c.verbs {
			v.GroupID = c.id
			root.AddCommand(v)
		}
	}
	root.AddCommand(newWorkerCommand())
	root.SetHelpCommandGroupID("help")
	root.SetCompletionCommandGroupID("help")
	return root
}

// run executes the command line that root has and tells the user what went
// wrong, on stderr.
func run(ctx context.Context, root *cobra.Command) exit.Code {
	err := client.Classify(root.ExecuteContext(ctx))
	if err == nil {
		return exit.Fine
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if text := exit.Text(err); text != "" {
		fmt.Fprintln(root.ErrOrStderr(), "bayplan: "+text)
	}
	return exit.CodeOf(err)
}

// noVerb refuses a word that is no verb, with the nearest ones.
func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	next := cmd.CommandPath() + " --help"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		next = cmd.CommandPath() + " " + strings.Join(near, ", or "+cmd.CommandPath()+" ")
	}
	return exit.Usagef(next, "%s has no verb %q", cmd.CommandPath(), args[0])
}

// takes says which arguments a verb wants: "SLOT", or "[DIR]" for one that may
// be left out.
func takes(names ...string) cobra.PositionalArgs {
	least := 0
	for _, n := range names {
		if !strings.HasPrefix(n, "[") {
			least++
		}
	}
	return func(cmd *cobra.Command, args []string) error {
		next := cmd.CommandPath() + " --help"
		if len(args) < least {
			return exit.Usagef(next, "%s wants a %s", cmd.CommandPath(), names[len(args)])
		}
		if len(args) > len(names) {
			return exit.Usagef(next, "%s does not want %q", cmd.CommandPath(), args[len(names)])
		}
		return nil
	}
}
