package main

import (
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newHoldCommand() *cobra.Command {
	w, cmd := wishes(reconciler.HoldWorkload, "WORKLOAD", workloadsThat(func(w *status.Workload) bool { return w.Rollout == nil || w.Rollout.Hold == nil }), cobra.Command{
		Short: "Keep the server's hands off a workload for a while",
		Long: `Hold stops reconciling one workload: nothing of it is started, stopped, updated
or moved, also not where a node is lost or drained. What runs goes on running, and
is restarted on its node where it ends. Commits are taken in all the same; what
they ask of this workload comes when the hold is over, and until then they are
Progressing. It ends by ` + "`bayplan release`" + `, and by itself after --for.`,
		Example: "  bayplan hold shop/web --reason 'taking a heap dump' --for 30m",
	})
	cmd.Flags().DurationVar(&w.lasts, "for", 0, "how long at most (2h if not said)")
	return cmd
}

func newReleaseCommand() *cobra.Command {
	_, cmd := wishes(reconciler.ReleaseWorkload, "WORKLOAD", workloadsThat(func(w *status.Workload) bool { return w.Rollout != nil && w.Rollout.Hold != nil }), cobra.Command{
		Short: "End a hold, or what keeps an undone workload on its old version",
		Long: `Release ends a hold: the workload is reconciled again, with what was asked for
meanwhile. After an undo, the version that was undone stays away until
` + "`bayplan retry`" + ` or a commit that changes it.`,
		Example: "  bayplan release shop/web",
	})
	return cmd
}

func newPauseCommand() *cobra.Command {
	_, cmd := wishes(reconciler.PauseRollout, "WORKLOAD", workloadsThat(func(w *status.Workload) bool {
		return w.Rollout != nil && !w.Rollout.Ended() && w.Rollout.Paused == nil
	}), cobra.Command{
		Short: "Have a rollout take no further step",
		Long: `Pause has a rollout finish the step that it is at and take no other. No deadline
runs meanwhile, and what fails takes nothing back. A slot that is lost comes back in
the version that it had. ` + "`bayplan resume`" + ` has it go on; a commit that changes the
workload begins anew.`,
		Example: "  bayplan pause shop/web --reason 'more errors than before'",
	})
	return cmd
}

func newResumeCommand() *cobra.Command {
	_, cmd := wishes(reconciler.ResumeRollout, "WORKLOAD", workloadsThat(func(w *status.Workload) bool { return w.Rollout != nil && w.Rollout.Paused != nil }), cobra.Command{
		Short:   "Have a paused rollout go on",
		Long:    `Resume has a paused rollout go on where it was; its deadlines count from now.`,
		Example: "  bayplan resume shop/web",
	})
	return cmd
}

func newRestartCommand() *cobra.Command {
	_, cmd := wishes(reconciler.RestartWorkload, "WORKLOAD", workloadsThat(func(w *status.Workload) bool { return w.Rollout != nil && w.Rollout.Ended() }), cobra.Command{
		Short: "Replace every container of a workload, as an update would",
		Long: `Restart replaces every container of a workload by one of the same version, with
the strategy and the budgets of its updates. Programs can tell by
BAYPLAN_RESTARTS, which counts the restarts since the workload's text changed.`,
		Example: "  bayplan restart shop/web --reason 'a leak'\n  bayplan rollout shop/web -w",
	})
	return cmd
}

func newRetryCommand() *cobra.Command {
	_, cmd := wishes(reconciler.RetryRollout, "WORKLOAD", workloadsThat(func(w *status.Workload) bool {
		return w.Rollout != nil && w.Rollout.Ended() && w.Rollout.Stage != reconciler.Done
	}), cobra.Command{
		Short: "Try a version again that had failed",
		Long: `Retry has a rollout begin anew whose version failed or was undone: by itself that
version is tried again only once a commit changes it.`,
		Example: "  bayplan retry shop/web --reason 'the database is back'\n  bayplan rollout shop/web -w",
	})
	return cmd
}

// workloadsThat are the names of those for which a verb would be granted.
func workloadsThat(keep func(*status.Workload) bool) func(*status.Status) []string {
	return func(st *status.Status) (all []string) {
		for i := range st.Workloads {
			if keep(&st.Workloads[i]) {
				all = append(all, st.Workloads[i].Name)
			}
		}
		return all
	}
}
