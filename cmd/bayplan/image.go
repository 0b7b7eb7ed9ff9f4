package main

import (
	"context"
	"errors"
	"fmt"
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

func newImageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "List the images and archives that nodes keep, or remove those that nobody uses",
		Long: `Image lists the images and archives that nodes keep, and removes those that no
container uses.
Nodes do that by themselves when their disk gets full; see "bayplan agent --help".`,
		Example: "  bayplan image ls\n  bayplan image prune n3 --unused-for 72h",
		Args:    noVerb,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImageListCommand(), newImagePruneCommand())
	return cmd
}

func newImageListCommand() *cobra.Command {
	r := &reading{}
	cmd := &cobra.Command{
		Use:     "ls [NODE]",
		Aliases: []string{"list"},
		Short:   "List the images and archives that a node keeps, or all nodes do",
		Long: `Ls lists the images that a node keeps, and the archives of workloads that have an
artifact, the one used last first; without a name those of every node. SIZE is what
an image's layers hold, those too that it shares with others. On a node with Docker only the images of this cluster's containers
are listed.`,
		Example: "  bayplan image ls n3 -o wide",
		Args:    takes("[NODE]"),
		RunE:    func(cmd *cobra.Command, args []string) error { return r.images(cmd, first(args)) },
	}
	cmd.ValidArgsFunction = completeFrom(&r.conn, nodeNames)
	r.addFlags(cmd)
	return cmd
}

// first is the first argument, "" where there is none.
func first(args []string) string { return strings.Join(args[:min(1, len(args))], "") }

func (r *reading) images(cmd *cobra.Command, node string) error {
	c, err := r.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Images(cmd.Context(), connect.NewRequest(&controlpb.ImagesRequest{Node: node}))
	if err != nil {
		return err
	}
	return printedOf(r, cmd, answer.Msg.Json, view.Images, func(d *status.Images) []status.NodeFailure { return d.Failed }, "asked")
}

// printedOf prints a document as the format wants it, and tells of the nodes that
// it is missing; what completes "2 of the nodes could not be …".
func printedOf[T any](r *reading, cmd *cobra.Command, raw []byte, draw func(io.Writer, *T, view.Look), failed func(*T) []status.NodeFailure, what string) error {
	doc, err := document[T](raw)
	if err != nil {
		return err
	}
	if r.format.People() {
		draw(cmd.OutOrStdout(), doc, r.look(cmd))
	} else if err := show.Document(cmd.OutOrStdout(), r.format, raw); err != nil {
		return err
	}
	all := failed(doc)
	for _, f := range all {
		talk(cmd, "%s", show.Clean(f.Text))
	}
	if len(all) > 0 {
		return &exit.Error{Code: exit.Failure, Err: fmt.Errorf("%d of the nodes could not be %s", len(all), what), Next: "bayplan node ls"}
	}
	return nil
}

// pruneWithin is how long clearing may take: disks are slow with many files.
const pruneWithin = 10 * time.Minute

func newImagePruneCommand() *cobra.Command {
	r, unused := &reading{}, 24*time.Hour
	cmd := &cobra.Command{
		Use:   "prune [NODE]",
		Short: "Remove images and archives that no container uses",
		Long: `Prune removes from a node, or without a name from every node, the images and the
archives that no container of it was made from and that nobody asked for within
--unused-for. What is needed again is pulled again. What a container uses always stays. A
node with Docker refuses: its images may be others' too. The record keeps who did
it: your certificate's name, and your user's.`,
		Example: "  bayplan image prune n3 --unused-for 72h\n  bayplan image prune --unused-for 0",
		Args:    takes("[NODE]"),
		RunE:    func(cmd *cobra.Command, args []string) error { return r.pruneImages(cmd, first(args), unused) },
	}
	cmd.ValidArgsFunction = completeFrom(&r.conn, nodeNames)
	r.addFlags(cmd)
	cmd.Flags().DurationVar(&unused, "unused-for", unused, "only what nobody asked for so long; 0 is all that is not in use")
	return cmd
}

func (r *reading) pruneImages(cmd *cobra.Command, node string, unused time.Duration) error {
	if unused < 0 || unused > 0 && unused < time.Second {
		return exit.Usagef("bayplan image prune --unused-for 24h", "--unused-for %s: want 0, or a second at least", unused)
	}
	c, err := r.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), pruneWithin, errors.New("it took too long"))
	defer cancel()
	answer, err := c.PruneImages(ctx, connect.NewRequest(&controlpb.PruneImagesRequest{
		Node: node, UnusedSeconds: int64(unused / time.Second), Actor: client.Actor(),
	}))
	if err != nil {
		return err
	}
	return printedOf(r, cmd, answer.Msg.Json, view.Pruning, func(d *status.Pruning) []status.NodeFailure { return d.Failed }, "cleared")
}
