package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

const runsLong = `Runs shows what jobs and crons ran: how each run ended, how many of its slots are
complete, and how many attempts that took. -o wide adds the slots, with node and
exit code. What is kept of ended runs their workload's keep says; the output of a
slot: bayplan logs SLOT.`

func newRunsCommand() *cobra.Command {
	r := &reading{}
	cmd := &cobra.Command{Use: "runs [WORKLOAD|TEAM]", Short: "Show what jobs and crons ran, and how it ended", Long: runsLong,
		Example: "  bayplan runs\n  bayplan runs shop/report -o wide", Args: takes("[WORKLOAD]")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		match := strings.Join(args, "")
		text := func(st *status.Status, l view.Look) string {
			var b strings.Builder
			view.Runs(&b, runners(st.Workloads, match), l)
			return b.String()
		}
		return r.part(cmd, text, func(raw []byte) ([]byte, error) { return runsOf(raw, match) })
	}
	cmd.ValidArgsFunction = completeFrom(&r.conn, workloadsAndTeams)
	r.addFlags(cmd)
	r.addWatch(cmd)
	return cmd
}

// runners are the jobs and crons among the workloads, of one name or team if that
// is asked for.
func runners(all []status.Workload, match string) []status.Workload {
	return slices.DeleteFunc(slices.Clone(all), func(w status.Workload) bool {
		return !schema.Kind(w.Kind).Runs() && len(w.Runs) == 0 || match != "" && w.Name != match && !strings.HasPrefix(w.Name, match+"/")
	})
}

// runsOf is the document of `runs`: the status' workloads that run to completion,
// with their runs.
func runsOf(raw []byte, match string) ([]byte, error) {
	st, err := document[status.Status](raw)
	if err != nil {
		return nil, err
	}
	type jobRuns struct {
		Workload string          `json:"workload"`
		Kind     string          `json:"kind"`
		Runs     []status.Run    `json:"runs"`
		Next     time.Time       `json:"next,omitzero"`
		Skipped  *status.Skipped `json:"skipped,omitempty"`
	}
	doc := struct {
		Schema    string    `json:"schema"`
		Workloads []jobRuns `json:"workloads"`
	}{st.Schema, []jobRuns{}}
	for _, w := range runners(st.Workloads, match) {
		runs := slices.Concat([]status.Run{}, w.Runs) // a list, never null
		doc.Workloads = append(doc.Workloads, jobRuns{w.Name, w.Kind, runs, w.Next, w.Skipped})
	}
	return show.Encode(doc)
}
