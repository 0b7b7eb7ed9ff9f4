package main

import (
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newPromoteCommand() *cobra.Command {
	_, cmd := wishes(reconciler.PromoteWorkload, "WORKLOAD", updatesThat(func(w *status.Workload) bool { return w.Proof != nil && !w.Proof.Ready.IsZero() }), cobra.Command{
		Short: "Let an update go on that waits",
		Long: `Promote lets an update go on from where it waits: a blueGreen one over to its new
set, which has the traffic from then on, a canary to its next step. What goes
ahead must be healthy; a soak or a pause is not waited for any longer.`,
		Example: "  bayplan promote shop/web --reason 'the error rate is flat'",
	})
	return cmd
}

func newAbortCommand() *cobra.Command {
	_, cmd := wishes(reconciler.AbortWorkload, "WORKLOAD", updatesThat(func(w *status.Workload) bool {
		return w.State == "rolling" || w.State == "waiting" || w.Proof != nil && !w.Proof.Kept.IsZero()
	}), cobra.Command{
		Short: "Take an update back that is under way",
		Long: `Abort takes an update back that is under way, to the version before it. After a
promotion it goes back at once for as long as the old set is kept. The version is
not tried again until the repository asks for another one.`,
		Example: "  bayplan abort shop/web --reason 'checkout fails'",
	})
	return cmd
}

// updatesThat are the names of the workloads that fit.
func updatesThat(fits func(*status.Workload) bool) func(*status.Status) []string {
	return func(st *status.Status) (all []string) {
		for i := range st.Workloads {
			if w := &st.Workloads[i]; fits(w) {
				all = append(all, w.Name)
			}
		}
		return all
	}
}
