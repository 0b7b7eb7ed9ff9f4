package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/schema/load"
)

func newInitCommand() *cobra.Command {
	var module string
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a new repository, with the schema for editors",
		Long: `Init writes a repository to begin with into DIR, or the folder that you are in: a
workload of the team hello, the operators' cluster.cue, and the schema where other
programs find it: vendored in cue.mod, so that plain cue vet and CUE's language
server check what you write, and as JSON Schema in .bayplan for editors of YAML.

It overwrites nothing: where one of its files is there already, it writes none.`,
		Example: "  bayplan init infra\n  bayplan init --module git.example/ops/infra@v0",
		Args:    takes("[DIR]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return initialise(cmd, dir, module)
		},
	}
	cmd.Flags().StringVar(&module, "module", "", "path by which the repository's own packages are imported (FOLDER.example/infra@v0)")
	return cmd
}

func initialise(cmd *cobra.Command, dir, module string) error {
	if module == "" {
		module = moduleFor(dir)
	}
	if !modulePath.MatchString(module) {
		return exit.Usagef("bayplan init --module git.example/ops/infra@v0", "%q is no path of a module", module)
	}
	files, err := load.Repository(module)
	if err != nil {
		return err
	}
	if there := existing(dir, files); len(there) > 0 {
		return exit.Usagef("name another folder, or remove them first", "%s has %s already, and nothing is overwritten", dir, strings.Join(there, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := writeNew(filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: a repository with one workload, hello/web\n    next: bayplan validate %s\n", dir, dir)
	return nil
}

// modulePath is what CUE takes for a module's path: its first part has a dot.
var modulePath = regexp.MustCompile(`^[a-z0-9-]+([.][a-z0-9-]+)+(/[a-z0-9._-]+)*(@v[0-9]+)?$`)

// moduleFor makes a path of the folder's name.
func moduleFor(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = "repository"
	}
	name := strings.Trim(notInModules.ReplaceAllString(strings.ToLower(filepath.Base(abs)), "-"), "-")
	if name == "" {
		name = "repository"
	}
	return name + ".example/infra@v0"
}

var notInModules = regexp.MustCompile(`[^a-z0-9]+`)

// existing are those of the files that are there, the folder of CUE's modules
// among them as a whole: another one's packages are not mixed with ours.
func existing(dir string, files map[string][]byte) (there []string) {
	names := []string{"cue.mod"}
	for name := range files {
		if !strings.HasPrefix(name, "cue.mod/") {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			there = append(there, name)
		}
	}
	slices.Sort(there)
	return there
}

// writeNew writes a file that must not be there.
func writeNew(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
