package main

import (
	"context"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

// eventsVerb is the verb's flags.
type eventsVerb struct {
	reading
	follow bool
	last   uint32
}

func newEventsCommand() *cobra.Command {
	v := &eventsVerb{}
	cmd := &cobra.Command{
		Use:   "events [WORKLOAD|SLOT|TEAM]",
		Short: "Show what happened: commits, orders, phases, failures",
		Long: `Events prints what the server recorded, oldest first: commits and their
outcomes, orders and why they were given, phases and health of containers,
failures, nodes that come and go, problems and their end, what operators did.
With -f (or -w) it stays and prints what comes. -o json is one object a line.`,
		Example: "  bayplan events --last 20\n  bayplan events shop/web -f\n  bayplan events -o json | jq -r 'select(.kind==\"failure\") | .text'",
		Args:    takes("[WORKLOAD]"),
		RunE:    v.run,
	}
	cmd.ValidArgsFunction = completeFrom(&v.conn, allNames)
	v.addFlags(cmd)
	v.addWatch(cmd)
	cmd.Flags().BoolVarP(&v.follow, "follow", "f", false, "stay and print what comes")
	cmd.Flags().Uint32Var(&v.last, "last", 0, "begin with so many of the newest; 0 is all that are kept")
	return cmd
}

func (v *eventsVerb) run(cmd *cobra.Command, args []string) error {
	r := &controlpb.EventsRequest{Follow: v.follow || v.watch, Last: v.last}
	if len(args) > 0 {
		r.Workload = args[0]
	}
	c, err := v.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if r.Follow {
		return untilInterrupt(cmd.Context(), v.stay(cmd, c, r))
	}
	s, err := c.Events(cmd.Context(), connect.NewRequest(r))
	if err != nil {
		return err
	}
	defer s.Close()
	for s.Receive() {
		if err := v.print(cmd, s.Msg().Json); err != nil {
			return err
		}
	}
	return s.Err()
}

// stay prints what comes, across the server's restarts: what it then sends
// again is passed over.
func (v *eventsVerb) stay(cmd *cobra.Command, c *client.Client, r *controlpb.EventsRequest) error {
	var seen replay
	return client.Watcher{
		Open: func(ctx context.Context) (*connect.ServerStreamForClient[controlpb.Document], error) {
			ask := &controlpb.EventsRequest{Follow: true, Last: r.Last, Workload: r.Workload}
			if !seen.restart() {
				ask.Last = 0
			}
			return c.Events(ctx, connect.NewRequest(ask))
		},
		Each: func(raw []byte) error {
			e, err := document[status.Event](raw)
			if err != nil || !seen.fresh(e, raw) {
				return err
			}
			return v.print(cmd, raw)
		},
		Notice: func(text string) { talk(cmd, "%s", text) },
	}.Run(cmd.Context())
}

func (v *eventsVerb) print(cmd *cobra.Command, raw []byte) error {
	if !v.format.People() {
		return show.Stream(cmd.OutOrStdout(), v.format, raw)
	}
	e, err := document[status.Event](raw)
	if err != nil {
		return err
	}
	view.Event(cmd.OutOrStdout(), e, v.look(cmd))
	return nil
}
