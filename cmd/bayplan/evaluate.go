package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

const evalTimeoutUsage = "how long one folder may take to evaluate"

// evaluating is what the verbs that read a tree have in common.
type evaluating struct {
	timeout time.Duration
	allow   granting
	// open leaves it to others what privileges there are, unless --allow says.
	open bool
}

func (e *evaluating) addFlags(cmd *cobra.Command) {
	cmd.PreRunE = e.check
	cmd.Flags().DurationVar(&e.timeout, "eval-timeout", load.DefaultPackageTime, evalTimeoutUsage)
	e.allow.addFlag(cmd.Flags())
}

func (e *evaluating) check(cmd *cobra.Command, _ []string) error {
	if e.timeout <= 0 {
		return exit.Usagef(cmd.CommandPath()+" --help", "--eval-timeout is how long a folder may take: want more than 0")
	}
	return nil
}

// load evaluates a tree until a signal ends the verb.
func (e *evaluating) load(cmd *cobra.Command, dir string) (schema.Spec, error) {
	return tree.Load(cmd.Context(), dir, e.timeout, e.grants(cmd))
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
