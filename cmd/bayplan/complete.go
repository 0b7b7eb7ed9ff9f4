package main

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

// completePatience is how long a press of Tab may take.
const completePatience = 800 * time.Millisecond

// completeFrom completes a verb's first argument with names out of the server's
// status; without a server there is nothing to offer.
func completeFrom(conn *client.Config, names func(*status.Status) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completePatience)
		defer cancel()
		st, err := statusFor(ctx, conn)
		if err != nil {
			cobra.CompDebugln("asking the server: "+err.Error(), false)
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all := slices.DeleteFunc(names(st), func(n string) bool { return !strings.HasPrefix(n, typed) })
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

func statusFor(ctx context.Context, conn *client.Config) (*status.Status, error) {
	c, err := conn.Dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return ask(ctx, c)
}

// ask is the whole status.
func ask(ctx context.Context, c *client.Client) (*status.Status, error) {
	r, err := c.Status(ctx, connect.NewRequest(&controlpb.StatusRequest{}))
	if err != nil {
		return nil, err
	}
	return document[status.Status](r.Msg.Json)
}

func workloadNames(st *status.Status) []string {
	var all []string
	for _, w := range st.Workloads {
		all = append(all, w.Name)
	}
	return all
}

// workloadsAndTeams are what `status` can be narrowed to.
func workloadsAndTeams(st *status.Status) []string {
	all := workloadNames(st)
	for _, name := range all {
		all = append(all, path.Dir(name))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func slotNames(st *status.Status) []string {
	var all []string
	for _, w := range st.Workloads {
		for _, s := range w.Slots {
			all = append(all, s.Slot)
		}
	}
	return slices.Compact(all)
}

func slotsAndWorkloads(st *status.Status) []string {
	all := append(workloadNames(st), slotNames(st)...)
	slices.Sort(all)
	return all
}

// allNames are what `events` can be narrowed to.
func allNames(st *status.Status) []string {
	all := append(workloadsAndTeams(st), slotNames(st)...)
	slices.Sort(all)
	return all
}

// commits are hashes, each with its subject as the shell's description.
func commits(st *status.Status) []string {
	return commitsThat(st, func(status.Revision) bool { return true })
}

func heldCommits(st *status.Status) []string {
	return commitsThat(st, func(r status.Revision) bool { return r.Outcome == reconciler.Held })
}

func commitsThat(st *status.Status, keep func(status.Revision) bool) []string {
	var all []string
	for _, r := range st.Commits() {
		if keep(r) {
			all = append(all, shortCommit(r.Commit)+"\t"+progress(r.Outcome)+": "+r.Subject)
		}
	}
	return all
}
