package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

func newSnapshotCommand() *cobra.Command {
	var conn client.Config
	cmd := &cobra.Command{
		Use:   "snapshot [FILE]",
		Short: "Write the cluster's state to a file, to plan on it without a server",
		Long: `Snapshot writes what a plan is decided on: nodes, what runs on them, rollouts,
and what operators said. bayplan plan --snapshot FILE then needs no server and
gives the same answer each time, in a build as well as on a plane. The file holds
the workloads as the repository has them, with all their variables: keep it as you
keep that. Without FILE it is written to standard output.`,
		Example: "  bayplan snapshot harbour.json\n  bayplan plan main..HEAD --snapshot harbour.json",
		Args:    takes("[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := conn.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			r, err := c.Snapshot(cmd.Context(), connect.NewRequest(&controlpb.SnapshotRequest{}))
			if err != nil {
				return err
			}
			return writeSnapshot(cmd.OutOrStdout(), args, append(r.Msg.Json, '\n'))
		},
	}
	conn.AddFlags(cmd.Flags())
	return cmd
}

func writeSnapshot(out io.Writer, args []string, text []byte) error {
	if len(args) == 0 {
		_, err := out.Write(text)
		return err
	}
	if err := os.WriteFile(args[0], text, 0o600); err != nil {
		return fmt.Errorf("the snapshot: %w", err)
	}
	r, err := document[status.Recording](text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s of %s, state %s, at %s\n  next: bayplan plan --snapshot %s\n", args[0], r.Cluster, r.State, r.At.UTC().Format(time.RFC3339), args[0])
	return err
}

// planOn decides on a recorded state as a server would.
func planOn(file, repo string, head, base *text) (*status.Preview, error) {
	r, err := readSnapshot(file)
	if err != nil {
		return nil, err
	}
	in := r.Input()
	q := status.Question{Repo: repo, Head: head.spec}
	accepted := &in.Facts.Spec
	if base != nil {
		pinned := base.spec
		pinAsKnown(&pinned, accepted)
		q.Base, accepted = &pinned, &pinned
	}
	q.Unresolved = pinAsKnown(&q.Head, accepted)
	p := status.Plan(in, q)
	return &p, nil
}

func readSnapshot(file string) (*status.Recording, error) {
	const next = "make one: bayplan snapshot FILE"
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, exit.Usagef(next, "the snapshot: %w", err)
	}
	var r status.Recording
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, exit.Usagef(next, "%s is no snapshot: %w", file, err)
	}
	if r.Schema != status.Schema || r.At.IsZero() {
		return nil, exit.Usagef(next, "%s is no snapshot", file)
	}
	return &r, nil
}

// pinAsKnown gives images the digests that the accepted text has for them, and
// tells of the others, which count under their tags.
func pinAsKnown(spec, accepted *schema.Spec) (unresolved []reconciler.Unresolved) {
	known := map[string]string{}
	for _, image := range reconciler.Pin(spec, accepted, nil) {
		known[image] = image
		unresolved = append(unresolved, reconciler.Unresolved{Workload: image, Failure: nodes.Failure{Code: nodes.RegistryUnreachable,
			Text: "image " + image + ": the snapshot does not know its digest, and no registry was asked"}})
	}
	reconciler.Pin(spec, accepted, known)
	return unresolved
}

// locate tells where what changes stands. The tree evaluated: its places are
// welcome, not needed.
func locate(ctx context.Context, changes []status.PreviewChange, head, base *text, opts []load.Option) {
	now, err := load.NewLocator(head.files, opts...)
	if err != nil {
		return
	}
	var before *load.Locator
	if base != nil {
		if before, err = load.NewLocator(base.files, opts...); err != nil {
			return
		}
	}
	tree.Locate(ctx, changes, now, before)
}
