package main

import (
	"io"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

// statusVerb is the verb's flags.
type statusVerb struct {
	reading
	of       ofRepo
	wait     bool
	revision string
	timeout  time.Duration
}

// defaultWait is longer than a healthy rollout takes and shorter than the
// patience of a pipeline.
const defaultWait = 5 * time.Minute

func newStatusCommand() *cobra.Command {
	v := &statusVerb{}
	cmd := &cobra.Command{
		Use:   "status [WORKLOAD|TEAM]",
		Short: "Show the commit in work, the workloads, the nodes and what is wrong",
		Long: `Status shows what became of the newest commit, what is desired and what runs,
and every problem with the next step. -o wide adds slots, nodes and history.

With --wait it returns when a commit has reached its end: exit code 0 for
Applied and NoEffect, 1 for Failed, RolledBack, Superseded and Held, 7 when
--timeout is over. --revision may be a prefix; a commit that the server has not
seen yet is waited for.`,
		Example: "  bayplan status\n  bayplan status shop -w\n  bayplan status --wait --revision $(git rev-parse HEAD) --timeout 60s",
		Args:    takes("[WORKLOAD]"),
		RunE:    v.run,
	}
	cmd.ValidArgsFunction = completeFrom(&v.conn, workloadsAndTeams)
	v.addFlags(cmd)
	v.addWatch(cmd)
	v.of.addFlag(cmd, &v.conn)
	cmd.Flags().BoolVar(&v.wait, "wait", false, "return when the commit has reached its end")
	cmd.Flags().StringVar(&v.revision, "revision", "", "with --wait: this commit (a prefix will do) rather than the newest")
	cmd.Flags().DurationVar(&v.timeout, "timeout", defaultWait, "with --wait: how long at most")
	if err := cmd.RegisterFlagCompletionFunc("revision", completeFrom(&v.conn, commits)); err != nil {
		panic(err)
	}
	return cmd
}

func (v *statusVerb) run(cmd *cobra.Command, args []string) error {
	match := ""
	if len(args) > 0 {
		match = args[0]
	}
	if err := v.check(); err != nil {
		return err
	}
	c, err := v.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	switch {
	case v.wait:
		return v.waitFor(cmd, c, match)
	case v.watch && v.format.People():
		return v.watchStatus(cmd, c, match, statusText)
	case v.watch:
		return untilInterrupt(cmd.Context(), statusWatcher(cmd, c, match, v.streamNews(cmd)).Run(cmd.Context()))
	}
	return v.once(cmd, c, match)
}

// check refuses flags that do not go together.
func (v *statusVerb) check() error {
	const next = "bayplan status --help"
	switch {
	case v.watch && v.of.name != "":
		return exit.Usagef(next, "-w follows all repositories: choose one of -w and --repo")
	case v.wait && v.watch:
		return exit.Usagef(next, "--wait returns and --watch stays: choose one")
	case !v.wait && v.revision != "":
		return exit.Usagef("add --wait", "--revision says which commit to wait for")
	case v.timeout <= 0:
		return exit.Usagef(next, "--timeout is how long to wait: want more than 0")
	case v.revision != "" && !isCommit(v.revision):
		return exit.Usagef("--revision $(git rev-parse HEAD)", "%q is no commit: want its hash or at least the first 4 digits", v.revision)
	}
	return nil
}

func (v *statusVerb) once(cmd *cobra.Command, c *client.Client, match string) error {
	r, err := c.Status(cmd.Context(), connect.NewRequest(&controlpb.StatusRequest{Match: match}))
	if err != nil {
		return err
	}
	return v.print(cmd, r.Msg.Json)
}

func (v *statusVerb) print(cmd *cobra.Command, raw []byte) error {
	if !v.format.People() && v.of.name == "" {
		return show.Document(cmd.OutOrStdout(), v.format, raw)
	}
	st, err := document[status.Status](raw)
	if err == nil {
		st, err = v.of.narrow(st)
	}
	if err != nil {
		return err
	}
	if !v.format.People() {
		return show.Value(cmd.OutOrStdout(), v.format, st)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), statusText(st, v.look(cmd)))
	return err
}

func statusText(st *status.Status, l view.Look) string {
	var b strings.Builder
	view.Status(&b, st, l)
	return b.String()
}
