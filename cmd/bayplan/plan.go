package main

import (
	"encoding/json"
	"fmt"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

// planning is the verb's flags.
type planning struct {
	reading
	evaluating
	exitCode bool
}

func newPlanCommand() *cobra.Command {
	p := &planning{}
	cmd := &cobra.Command{
		Use:   "plan [DIR]",
		Short: "Show what a tree would change on the running cluster, and where it lands",
		Long: `Plan evaluates a tree as it stands on disk, committed or not, and asks the
server what it would change: what is created, updated field by field, removed,
and on which node each slot would be. The server decides with the same function
that it reconciles with; nothing is changed. Without DIR it reads the top of the
Git work tree that you are in.

An image that no registry has is a warning beside its workload: it may come yet.

Exit codes: 4 when a slot finds no place, 5 when the tree is not valid, and with
--exit-code 2 when there are changes.`,
		Example: "  bayplan plan\n  bayplan plan ./deploy --exit-code -o json",
		Args:    takes("[DIR]"),
		RunE:    p.run,
	}
	p.reading.addFlags(cmd)
	p.evaluating.addFlags(cmd)
	cmd.Flags().BoolVar(&p.exitCode, "exit-code", false, "exit with 2 when there are changes")
	return cmd
}

func (p *planning) run(cmd *cobra.Command, args []string) error {
	dir, err := tree.Root(args)
	if err != nil {
		return err
	}
	spec, err := p.load(cmd, dir)
	if err != nil {
		return invalid(cmd, dir, err, true)
	}
	c, err := p.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	r, err := c.Plan(cmd.Context(), connect.NewRequest(&controlpb.PlanRequest{Spec: text}))
	if err != nil {
		return err
	}
	return p.show(cmd, r.Msg.Json)
}

func (p *planning) show(cmd *cobra.Command, raw []byte) error {
	preview, err := document[status.Preview](raw)
	if err != nil {
		return err
	}
	if p.format.People() {
		view.Preview(cmd.OutOrStdout(), preview, p.look(cmd))
	} else if err := show.Document(cmd.OutOrStdout(), p.format, raw); err != nil {
		return err
	}
	return p.end(preview)
}

// end is the exit code that a preview asks for: no place goes before changes.
func (p *planning) end(preview *status.Preview) error {
	switch n := len(preview.Unplaced); {
	case n > 0:
		return &exit.Error{Code: exit.Unplaced, Err: fmt.Errorf("no place for %s", plural(n, "slot")), Next: "ask for less, loosen the constraints, or add a node (`bayplan node token`)"}
	case p.exitCode && len(preview.Changes) > 0:
		return exit.Silent(exit.Changes)
	}
	return nil
}
