package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

const (
	evalTimeoutUsage = "how long one folder may take to evaluate"
	envUsage         = "environment: the folder envs/NAME has the teams, all else is there to be imported"
)

// evaluating is what the verbs that read a tree have in common.
type evaluating struct {
	timeout time.Duration
	allow   granting
	// open leaves it to others what privileges there are, unless --allow says.
	open bool
	// root is the folder that is the tree, and env the environment in it.
	root, env string
	// sums has it be an error what teams ask for together beyond a quota.
	sums bool
	// operators is a tree of the operators' repository, of a tree that is another's.
	operators string
}

func (e *evaluating) addFlags(cmd *cobra.Command) {
	cmd.PreRunE = e.check
	cmd.Flags().DurationVar(&e.timeout, "eval-timeout", load.DefaultPackageTime, evalTimeoutUsage)
	e.allow.addFlag(cmd.Flags())
	cmd.Flags().StringVar(&e.root, "root", "", "folder of the tree that counts, as for the server")
	cmd.Flags().StringVar(&e.env, "env", "", envUsage)
	cmd.Flags().StringVar(&e.operators, "operators", "", "folder with the operators' repository that this one is held to, where the server follows several")
	if err := cmd.MarkFlagDirname("operators"); err != nil {
		panic(err) // the flag is not defined
	}
}

func (e *evaluating) check(cmd *cobra.Command, _ []string) error {
	if !fs.ValidPath(path.Clean(strings.Trim(e.root, "/"))) || !plainName(e.env) {
		return exit.Usagef(cmd.CommandPath()+" --help", "--root is a folder inside the tree, and --env the name of one in envs")
	}
	if e.timeout <= 0 {
		return exit.Usagef(cmd.CommandPath()+" --help", "--eval-timeout is how long a folder may take: want more than 0")
	}
	return nil
}

// plainName is whether an environment may be called so; "" is none.
func plainName(env string) bool { return env == "" || schema.ValidName(env) }

// load evaluates a tree until a signal ends the verb.
func (e *evaluating) load(cmd *cobra.Command, dir string) (schema.Spec, error) {
	dir = filepath.Join(dir, e.root)
	return load.LoadContext(cmd.Context(), os.DirFS(dir), tree.Revision(cmd.Context(), dir), e.options(cmd, os.DirFS(dir))...)
}

// loadAt evaluates files of a commit.
func (e *evaluating) loadAt(cmd *cobra.Command, files fs.FS, rev schema.Revision) (schema.Spec, error) {
	return load.LoadContext(cmd.Context(), files, rev, e.options(cmd, files)...)
}

// within is the part of a whole tree that counts.
func (e *evaluating) within(files fs.FS) (fs.FS, error) {
	root := path.Clean(strings.Trim(e.root, "/"))
	return fs.Sub(files, root)
}

func (e *evaluating) options(cmd *cobra.Command, files fs.FS) []load.Option {
	all := []load.Option{e.limits(), load.WithGrants(e.grants(cmd))}
	if e.sums {
		all = append(all, load.WithSums())
	}
	if e.operators == "" {
		return append(all, load.WithEnvironment(e.env))
	}
	return append(all, load.AsGuest(files, os.DirFS(e.operators), e.env))
}

// places are the options for finding where fields stand.
func (e *evaluating) places() []load.Option {
	return []load.Option{e.limits(), load.WithEnvironment(e.env)}
}

func (e *evaluating) limits() load.Option {
	return load.WithLimits(load.Limits{PackageTime: e.timeout})
}

func (e *evaluating) grants(cmd *cobra.Command) schema.Grants {
	if e.open && !cmd.Flags().Changed("allow") {
		return schema.AllGrants()
	}
	return schema.Grants(e.allow)
}

// granting is the value of --allow: what reaches beyond containers and is granted
// all the same.
type granting schema.Grants

func (g *granting) addFlag(fs *pflag.FlagSet) {
	fs.Var(g, "allow", "privilege that workloads may have, or those of a team alone: host-network, host-volumes=infra/, devices; may be repeated")
}

// Set adds privileges, set apart by commas.
func (g *granting) Set(text string) error {
	more, err := schema.ParseGrants(strings.Split(text, ","))
	*g = append(*g, more...)
	return err
}

// String is what Set would read.
func (g *granting) String() string {
	texts := make([]string, len(*g))
	for i, one := range *g {
		texts[i] = one.String()
	}
	return strings.Join(texts, ",")
}

// Type names the value in help texts.
func (g *granting) Type() string { return "privilege" }
