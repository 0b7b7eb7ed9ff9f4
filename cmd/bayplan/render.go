package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// rendering is the document of `render`.
type rendering struct {
	Schema    string            `json:"schema"`
	Workloads []schema.Workload `json:"workloads"`
}

func newRenderCommand() *cobra.Command {
	format, only, e := show.YAML, "", &evaluating{}
	cmd := &cobra.Command{
		Use:   "render [DIR]",
		Short: "Print the workloads of a tree as they evaluate, with every default",
		Long: `Render evaluates a tree as the server would and prints the workloads with all
defaults and policies filled in. It asks no server. Without DIR it reads the top
of the Git work tree that you are in.`,
		Example: "  bayplan render\n  bayplan render --only shop/web\n  bayplan render -o json | jq '.workloads[].image'",
		Args:    takes("[DIR]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return render(cmd, args, format, only, e)
		},
	}
	addFormat(cmd, &format)
	cmd.Flags().StringVar(&only, "only", "", "only this workload, or the workloads of this team")
	e.addFlags(cmd)
	return cmd
}

func render(cmd *cobra.Command, args []string, format show.Format, only string, e *evaluating) error {
	dir, err := tree.Root(args)
	if err != nil {
		return err
	}
	spec, err := e.load(cmd, dir)
	if err != nil {
		return invalid(cmd, dir, err, true)
	}
	all := []schema.Workload{}
	for _, w := range spec.Workloads {
		if only == "" || w.Name == only || strings.HasPrefix(w.Name, strings.TrimSuffix(only, "/")+"/") {
			all = append(all, w)
		}
	}
	if only != "" && len(all) == 0 {
		return fmt.Errorf("%s has no workload %s", dir, only)
	}
	if format.People() {
		workloadTable(cmd, all)
		return nil
	}
	return show.Value(cmd.OutOrStdout(), format, rendering{status.Schema, all})
}

// wayOf is the word for how a change of the workload comes about.
func wayOf(w *schema.Workload) string {
	switch w.Kind {
	case schema.Job:
		return "new run"
	case schema.Cron:
		return w.Schedule
	}
	return w.Update.Strategy
}

// workloadTable is one line for each workload of a tree.
func workloadTable(cmd *cobra.Command, all []schema.Workload) {
	out := cmd.OutOrStdout()
	t := show.NewColumns(show.PaintFor(out), "WORKLOAD", "KIND", "REPLICAS", "CPU", "MEMORY", "UPDATE", "DIGEST", "IMAGE OR ARTIFACT")
	for i := range all {
		w := &all[i]
		replicas := fmt.Sprint(w.Replicas)
		switch {
		case w.Kind == schema.Daemon:
			replicas = "each node"
		case w.Kind.Runs():
			replicas = fmt.Sprintf("%d to complete", w.Completions)
		}
		t.Row(w.Name, w.Kind, replicas, w.Resources.CPU, w.Resources.Memory, wayOf(w), w.Digest().Short(), w.Source())
	}
	t.Print(out)
}
