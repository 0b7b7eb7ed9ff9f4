package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// verdict is the document of `validate -o json`.
type verdict struct {
	Schema    string         `json:"schema"`
	Valid     bool           `json:"valid"`
	Teams     int            `json:"teams"`
	Workloads int            `json:"workloads"`
	Errors    []tree.Finding `json:"errors"`
}

func newValidateCommand() *cobra.Command {
	format, e := show.Table, &evaluating{sums: true}
	cmd := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check a tree of workloads, without a server",
		Long: `Validate evaluates the CUE, YAML and JSON files of a tree and checks every
workload against the schema, the operators' policy and the quotas, those too that
several teams share. Each error names file, line and field. It asks no
server and touches nothing. Without DIR it reads the top of the Git work tree
that you are in.

For CI, -o github prints workflow commands that stand beside the lines of a pull
request, and -o gitlab a code quality report. The exit code is 5 where anything
is wrong.`,
		Example: "  bayplan validate\n  bayplan validate ./deploy -o json\n  bayplan validate --env prod -o gitlab > gl-code-quality-report.json",
		Args:    takes("[DIR]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return validate(cmd, args, format, e)
		},
	}
	addFormat(cmd, &format, string(github), string(gitlab))
	e.addFlags(cmd)
	return cmd
}

func validate(cmd *cobra.Command, args []string, format show.Format, e *evaluating) error {
	dir, err := tree.Root(args)
	if err != nil {
		return err
	}
	spec, loadErr := e.load(cmd, dir)
	if cmd.Context().Err() == nil && (format == github || format == gitlab) {
		return forge(cmd, dir, e.root, format, loadErr)
	}
	if !format.People() && cmd.Context().Err() == nil {
		v := verdict{status.Schema, loadErr == nil, len(spec.Teams), len(spec.Workloads), tree.Findings(loadErr)}
		if err := show.Value(cmd.OutOrStdout(), format, v); err != nil {
			return err
		}
		return silently(invalid(cmd, dir, loadErr, false))
	}
	if loadErr != nil {
		return invalid(cmd, dir, loadErr, true)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: valid, %s\n", dir, sum(spec))
	if format == show.Wide {
		workloadTable(cmd, spec.Workloads)
	}
	return nil
}

// The formats of validate alone.
const (
	github show.Format = "github"
	gitlab show.Format = "gitlab"
)

// forge prints findings for a forge's CI, by their paths from the repository's top.
func forge(cmd *cobra.Command, dir, root string, format show.Format, loadErr error) error {
	prefix, all := tree.Prefix(filepath.Join(dir, root)), tree.Findings(loadErr)
	if format == github {
		if err := tree.Annotate(cmd.OutOrStdout(), all, prefix); err != nil {
			return err
		}
		return invalid(cmd, dir, loadErr, false)
	}
	if err := show.Value(cmd.OutOrStdout(), show.JSON, tree.CodeQuality(all, prefix)); err != nil {
		return err
	}
	return silently(invalid(cmd, dir, loadErr, false))
}

// silently keeps the code of an error whose text was printed as data.
func silently(err error) error {
	if err == nil {
		return nil
	}
	return exit.Silent(exit.CodeOf(err))
}

// invalid is how a tree that does not load ends a verb; with list, every
// finding is told first.
func invalid(cmd *cobra.Command, dir string, err error, list bool) error {
	if err == nil {
		return nil
	}
	if ended := cmd.Context().Err(); ended != nil {
		return ended
	}
	if tree.Unreadable(err) {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	all := tree.Findings(err)
	if len(all) == 1 && all[0].File == "" {
		return &exit.Error{Code: exit.Invalid, Err: fmt.Errorf("%s: %s", dir, all[0].Message)}
	}
	if list {
		for _, f := range all {
			fmt.Fprintln(cmd.ErrOrStderr(), show.CleanLines(f.Text()))
		}
	}
	return &exit.Error{Code: exit.Invalid, Err: fmt.Errorf("%s: not valid, %s", dir, plural(len(all), "error"))}
}

func sum(s schema.Spec) string {
	return plural(len(s.Workloads), "workload") + " of " + plural(len(s.Teams), "team")
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
