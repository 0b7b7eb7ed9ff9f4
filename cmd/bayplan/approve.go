package main

import (
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
)

func newApproveCommand() *cobra.Command {
	var conn client.Config
	cmd := &cobra.Command{
		Use:   "approve [REPO:]COMMIT",
		Short: "Let a held commit through",
		Long: `Approve lets a commit through that is Held: it would remove more than half of the
workloads or all that a team has, it does not descend from what is in force,
it is not what an approved plan said, it would have teams of a repository that is
followed no more, or nobody who may sign vouches for it. The last is a matter of its own: what the commit
asks for is looked at only then, and may have it held once more. Look at the list first: ` + "`bayplan status`" + ` shows it. The record keeps who approved: your
certificate's name, and your user's. Where two repositories have the same commit,
its name goes before it.`,
		Example: "  bayplan approve 3f2a9c1d2e",
		Args:    takes("COMMIT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return approve(cmd, &conn, args[0])
		},
	}
	cmd.ValidArgsFunction = completeFrom(&conn, heldCommits)
	conn.AddFlags(cmd.Flags())
	return cmd
}

func approve(cmd *cobra.Command, conn *client.Config, commit string) error {
	if _, hash, said := strings.Cut(commit, ":"); !isCommit(commit) && !(said && isCommit(hash)) {
		return exit.Usagef("bayplan status", "%q is no commit: want its hash or at least the first 4 digits", commit)
	}
	c, err := conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.Approve(cmd.Context(), connect.NewRequest(&controlpb.ApproveRequest{Commit: commit, Actor: client.Actor()}))
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "approved %s\n", r.Msg.Commit)
	talk(cmd, "follow it with `bayplan status --wait --revision %s`", shortCommit(r.Msg.Commit))
	return nil
}
