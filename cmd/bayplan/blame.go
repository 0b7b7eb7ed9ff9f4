package main

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// blaming is the verb's flags.
type blaming struct {
	reading
	evaluating
	at string
}

// blame is the document of `bayplan blame`.
type blame struct {
	Schema   string        `json:"schema"`
	Workload string        `json:"workload"`
	Commit   string        `json:"commit"`
	Fields   []view.Blamed `json:"fields"`
}

func newBlameCommand() *cobra.Command {
	b := &blaming{evaluating: evaluating{open: true}}
	cmd := &cobra.Command{
		Use:   "blame WORKLOAD",
		Short: "Tell for each field of a workload who set it, where and when",
		Long: `Blame lists the fields of a workload as the cluster has them, each with its value,
the file and line where it stands, and the commit, author and age of that line. It
asks the server which commit the workload was last changed by and reads that from
the repository that you are in; with --at it asks no server. Fields that no file
says, the schema's defaults, are listed with -o wide.

What looks like a secret is not shown.`,
		Example: "  bayplan blame shop/web\n  bayplan blame shop/web --at HEAD~3 -o json",
		Args:    takes("WORKLOAD"),
		RunE:    b.run,
	}
	cmd.ValidArgsFunction = completeFrom(&b.conn, workloadNames)
	b.reading.addFlags(cmd)
	b.evaluating.addFlags(cmd)
	cmd.Flags().StringVar(&b.at, "at", "", "the commit to read, without asking the server")
	return cmd
}

func (b *blaming) run(cmd *cobra.Command, args []string) error {
	dir, err := tree.Root(nil)
	if err != nil {
		return err
	}
	name := b.at
	if name == "" {
		if name, err = b.inForce(cmd.Context(), args[0]); err != nil {
			return err
		}
	}
	r, err := tree.Commit(cmd.Context(), dir, name)
	if err != nil {
		return err
	}
	text, err := b.evaluating.at(cmd, dir, r)
	if err != nil {
		return err
	}
	w := text.spec.Workload(args[0])
	if w == nil {
		return exit.Usagef("bayplan status", "commit %s has no workload %s", r.Short(), args[0])
	}
	doc := blame{status.Schema, w.Name, r.Commit, nil}
	if doc.Fields, err = b.fields(cmd.Context(), dir, text, w); err != nil {
		return err
	}
	if !b.format.People() {
		return show.Value(cmd.OutOrStdout(), b.format, doc)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s as of commit %s\n", w.Name, r.Short())
	view.Blame(cmd.OutOrStdout(), doc.Fields, b.look(cmd))
	return nil
}

// inForce is the commit that set what the workload is to be.
func (b *blaming) inForce(ctx context.Context, workload string) (string, error) {
	c, err := b.conn.Dial()
	if err != nil {
		return "", err
	}
	defer c.Close()
	st, err := ask(ctx, c)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(st.Workloads, func(w status.Workload) bool { return w.Name == workload })
	if at < 0 {
		return "", exit.Usagef("bayplan status", "no workload %s", workload)
	}
	if r := st.Workloads[at].Rollout; r != nil && r.Commit != "" {
		return r.Commit, nil
	}
	if r := st.Newest(st.Workloads[at].Repo); r != nil {
		return r.Commit, nil
	}
	return st.Revision.Commit, nil
}

// fields are the workload's, each with the line that sets it.
func (b *blaming) fields(ctx context.Context, dir string, of *text, w *schema.Workload) (all []view.Blamed, err error) {
	places, err := load.NewLocator(of.files, b.places()...)
	if err != nil {
		return nil, err
	}
	files := map[string][]tree.Line{}
	leaves := status.Leaves(w)
	for _, field := range slices.Sorted(maps.Keys(leaves)) {
		at := places.Find(ctx, w.Name, field)
		one := view.Blamed{Field: field, Value: leaves[field], At: at.String(), Default: !at.Written}
		lines, read := files[at.File]
		if !read && at.File != "" {
			if lines, err = tree.Blame(ctx, dir, of.spec.Revision.Commit, path.Join(b.root, at.File)); err != nil {
				return nil, err
			}
			files[at.File] = lines
		}
		if at.Written && at.Line <= len(lines) {
			l := lines[at.Line-1]
			one.Commit, one.Author, one.Time = l.Commit, l.Author, l.Time
		}
		if field != "name" { // which the folder gives
			all = append(all, one)
		}
	}
	return all, nil
}
