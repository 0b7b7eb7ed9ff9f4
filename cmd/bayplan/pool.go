package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newPoolCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pool",
		Short:   "See how the nodes are shared",
		Long:    "Pool shows the shares that the nodes are divided into: what is guaranteed to each,\nwhat it uses, what it has lent, and the largest slot that it could still place.",
		Example: "  bayplan pool ls\n  bayplan pool top -w\n  bayplan pool moves",
		Args:    noVerb,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newPoolVerb("ls", "List the pools, each above its parts", "bayplan pool ls", view.Pools),
		newPoolVerb("top", "List the pools by how much they use, the most first", "bayplan pool top -w", view.PoolTop),
		newPoolMovesCommand())
	return cmd
}

const poolLong = `Each line is a pool: what is guaranteed to it, what it uses of it and above it,
what it has lent, and the largest slot that it could still place.`

func newPoolVerb(name, short, example string, draw func(io.Writer, []status.Pool, view.Look)) *cobra.Command {
	r := &reading{}
	text := func(st *status.Status, l view.Look) string {
		var b strings.Builder
		draw(&b, st.Pools, l)
		view.Problems(&b, poolProblems(st.Problems), l)
		return b.String()
	}
	cmd := &cobra.Command{Use: name, Short: short, Long: poolLong, Example: "  " + example, Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error { return r.part(cmd, text, poolsOf) }}
	r.addFlags(cmd)
	r.addWatch(cmd)
	return cmd
}

// poolProblems are those that pools have.
func poolProblems(all []status.Problem) []status.Problem {
	some := []status.Problem{}
	for _, p := range all {
		if strings.HasPrefix(p.Code, "pool-") {
			some = append(some, p)
		}
	}
	return some
}

// poolsOf is the document of `pool ls`: the status without all but its pools and
// what is wrong with them.
func poolsOf(raw []byte) ([]byte, error) {
	all, err := document[struct {
		Schema   string           `json:"schema"`
		Pools    json.RawMessage  `json:"pools"`
		Problems []status.Problem `json:"problems"`
	}](raw)
	if err != nil {
		return nil, err
	}
	if all.Pools == nil {
		all.Pools = json.RawMessage("[]")
	}
	all.Problems = poolProblems(all.Problems)
	return show.Encode(all)
}
