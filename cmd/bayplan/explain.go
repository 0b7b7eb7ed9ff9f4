package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

func newExplainCommand() *cobra.Command {
	r := &reading{}
	cmd := &cobra.Command{
		Use:   "explain WORKLOAD|SLOT",
		Short: "Tell why a slot is where it is, or why it is nowhere",
		Long: `Explain tells why a slot runs on its node, or what keeps it from any: how many
nodes each filter refused and by how much, what failed there, and what led to it.
For a workload it tells this of each of its slots, and once of those that are
nowhere for the same reasons; as -o json, one object with the list of all.`,
		Example: "  bayplan explain shop/web\n  bayplan explain shop/web.0",
		Args:    takes("WORKLOAD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.explain(cmd, args[0])
		},
	}
	cmd.ValidArgsFunction = completeFrom(&r.conn, slotsAndWorkloads)
	r.addFlags(cmd)
	r.addWatch(cmd)
	return cmd
}

func (r *reading) explain(cmd *cobra.Command, of string) error {
	c, err := r.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if r.watch {
		return untilInterrupt(cmd.Context(), r.watchExplanation(cmd, c, of))
	}
	raw, err := askWhy(cmd.Context(), c, of)
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

// explanations is the document of a workload's explain.
type explanations struct {
	Schema   string            `json:"schema"`
	Workload string            `json:"workload"`
	Slots    []json.RawMessage `json:"slots"`
}

// askWhy is the explanation of a slot, or of each slot of a workload.
func askWhy(ctx context.Context, c *client.Client, of string) ([]byte, error) {
	st, err := ask(ctx, c)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(st.Workloads, func(w status.Workload) bool { return w.Name == of })
	if i < 0 {
		return askSlot(ctx, c, of)
	}
	all := explanations{status.Schema, of, []json.RawMessage{}}
	for _, slot := range slotsOf(&st.Workloads[i]) {
		one, err := askSlot(ctx, c, slot)
		if err != nil {
			return nil, err
		}
		all.Slots = append(all.Slots, one)
	}
	return show.Encode(all)
}

// slotsOf are the slots that a workload has, and those that it should have.
func slotsOf(w *status.Workload) []string {
	var slots []schema.Slot
	for _, s := range w.Slots {
		if slot, ok := schema.ParseSlot(s.Slot); ok {
			slots = append(slots, slot)
		}
	}
	for i := range w.Desired {
		if k := schema.Kind(w.Kind); k != schema.Daemon && !k.Runs() {
			slots = append(slots, schema.Slot{Workload: w.Name, Index: i})
		}
	}
	slices.SortFunc(slots, schema.Slot.Compare)
	var names []string
	for _, s := range slices.Compact(slots) {
		names = append(names, s.String())
	}
	return names
}

func askSlot(ctx context.Context, c *client.Client, slot string) ([]byte, error) {
	answer, err := c.Explain(ctx, connect.NewRequest(&controlpb.ExplainRequest{Slot: slot}))
	if err != nil {
		return nil, err
	}
	return answer.Msg.Json, nil
}

// watchExplanation asks again whenever the status changed.
func (r *reading) watchExplanation(cmd *cobra.Command, c *client.Client, of string) error {
	screen, out := show.NewScreen(cmd.OutOrStdout()), cmd.OutOrStdout()
	var last []byte
	return statusWatcher(cmd, c, "", func([]byte) error {
		raw, err := askWhy(cmd.Context(), c, of)
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
	doc, err := document[struct {
		status.Explanation
		Workload string               `json:"workload"`
		Slots    []status.Explanation `json:"slots"`
	}](raw)
	if err != nil {
		return "", err
	}
	all := doc.Slots
	if doc.Workload == "" {
		all = []status.Explanation{doc.Explanation}
	} else if len(all) == 0 {
		return doc.Workload + " has no slot, and asks for none\n", nil
	}
	var b strings.Builder
	view.Explanations(&b, all, r.look(cmd))
	return b.String(), nil
}
