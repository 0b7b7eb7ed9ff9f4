package main

import (
	"encoding/json"
	"fmt"
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

func newNodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "node",
		Short:   "List nodes, let a new one join, empty or remove one",
		Long:    "Node lists the machines of the cluster with what they have and what is reserved,\nmakes the line to type on a machine that shall join, empties one for maintenance,\nand takes out one that shall not come back.",
		Example: "  bayplan node ls\n  bayplan node token\n  bayplan node drain n3 --deadline 30m\n  bayplan node rm n3",
		Args:    noVerb,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newNodeListCommand(), newNodeTokenCommand(), newNodeCordonCommand(), newNodeUncordonCommand(), newNodeDrainCommand(), newNodeRemoveCommand())
	return cmd
}

func newNodeListCommand() *cobra.Command {
	r := &reading{}
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the nodes, what they have and what is reserved",
		Long: `Ls lists the nodes: their state, their engine, and of cpu and memory how much is
reserved out of what workloads may have.`,
		Example: "  bayplan node ls -o wide",
		Args:    takes(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return r.part(cmd, nodeText, nodesOf) },
	}
	r.addFlags(cmd)
	r.addWatch(cmd)
	return cmd
}

func nodeText(st *status.Status, l view.Look) string {
	var b strings.Builder
	view.Nodes(&b, st.Nodes, l)
	return b.String()
}

// nodesOf is the document of `node ls`: the status without all but its nodes.
func nodesOf(raw []byte) ([]byte, error) {
	all, err := document[struct {
		Schema string          `json:"schema"`
		Nodes  json.RawMessage `json:"nodes"`
	}](raw)
	if err != nil {
		return nil, err
	}
	return show.Encode(all)
}

func newNodeTokenCommand() *cobra.Command {
	var conn client.Config
	ttl := time.Hour
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print the line to type on a machine that shall join",
		Long: `Token makes a one-time token and prints the whole line to type on the new
machine. The line pins the cluster's CA, so the machine talks to no other. Treat
it as a password until it is used or over.`,
		Example: "  bayplan node token --ttl 10m",
		Args:    takes(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return joinLine(cmd, &conn, ttl) },
	}
	conn.AddFlags(cmd.Flags())
	cmd.Flags().DurationVar(&ttl, "ttl", ttl, "how long the token may be used")
	return cmd
}

func joinLine(cmd *cobra.Command, conn *client.Config, ttl time.Duration) error {
	if ttl < time.Second {
		return exit.Usagef("bayplan node token --ttl 10m", "--ttl %s is too short to type a line in", ttl)
	}
	c, err := conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.JoinToken(cmd.Context(), connect.NewRequest(&controlpb.JoinTokenRequest{TtlSeconds: int64(ttl / time.Second)}))
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), r.Msg.Line)
	talk(cmd, "type this on the new machine; it works once, until %s", time.Unix(r.Msg.ExpiresUnix, 0).Format("2006-01-02 15:04:05"))
	return nil
}
