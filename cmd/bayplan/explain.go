package main

import (
	"bytes"
	"context"
	"io"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newExplainCommand() *cobra.Command {
	r := &reading{}
	cmd := &cobra.Command{
		Use:   "explain SLOT",
		Short: "Tell why a slot is where it is, or why it is nowhere",
		Long: `Explain tells why a slot runs on its node, or what keeps it from any: how many
nodes each filter refused and by how much, what failed there, and what led to it.`,
		Example: "  bayplan explain shop/web.0",
		Args:    takes("SLOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.explain(cmd, args[0])
		},
	}
	cmd.ValidArgsFunction = completeFrom(&r.conn, slotNames)
	r.addFlags(cmd)
	r.addWatch(cmd)
	return cmd
}

func (r *reading) explain(cmd *cobra.Command, slot string) error {
	c, err := r.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if r.watch {
		return untilInterrupt(cmd.Context(), r.watchExplanation(cmd, c, slot))
	}
	raw, err := askWhy(cmd.Context(), c, slot)
	if err != nil {
		return err
	}
	if !r.format.People() {
		return show.Document(cmd.OutOrStdout(), r.format, raw)
	}
	text, err := r.explanationText(cmd, raw)
	if err != nil {
		return err
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text)
	return err
}

func askWhy(ctx context.Context, c *client.Client, slot string) ([]byte, error) {
	answer, err := c.Explain(ctx, connect.NewRequest(&controlpb.ExplainRequest{Slot: slot}))
	if err != nil {
		return nil, err
	}
	return answer.Msg.Json, nil
}

// watchExplanation asks again whenever the status changed.
func (r *reading) watchExplanation(cmd *cobra.Command, c *client.Client, slot string) error {
	screen, out := show.NewScreen(cmd.OutOrStdout()), cmd.OutOrStdout()
	var last []byte
	return statusWatcher(cmd, c, "", func([]byte) error {
		raw, err := askWhy(cmd.Context(), c, slot)
		if err != nil || bytes.Equal(raw, last) {
			return err
		}
		last = raw
		if !r.format.People() {
			return show.Stream(out, r.format, raw)
		}
		text, err := r.explanationText(cmd, raw)
		if err != nil {
			return err
		}
		return screen.Draw(text)
	}).Run(cmd.Context())
}

func (r *reading) explanationText(cmd *cobra.Command, raw []byte) (string, error) {
	e, err := document[status.Explanation](raw)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	view.Explanation(&b, e, r.look(cmd))
	return b.String(), nil
}
