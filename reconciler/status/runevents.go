package status

import (
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// runEvents tell of runs that began, came to an end or went on, and of instants of
// crons that were skipped.
func runEvents(before, after *reconciler.Facts, at time.Time) (events []Event) {
	if len(before.Jobs) == len(after.Jobs) && (len(after.Jobs) == 0 || &before.Jobs[0] == &after.Jobs[0]) {
		return nil
	}
	for i := range after.Jobs {
		is := &after.Jobs[i]
		was := before.Job(is.Workload)
		if was == nil {
			was = &reconciler.JobFact{}
		}
		for k := range is.Runs {
			if text := runNews(was, &is.Runs[k]); text != "" {
				events = append(events, Event{Time: at, Kind: "run", Workload: is.Workload, Commit: is.Runs[k].Commit,
					Text: fmt.Sprintf("run %s of %s %s", is.Runs[k].Name, is.Workload, text)})
			}
		}
		if !is.Skipped.Equal(was.Skipped) {
			events = append(events, Event{Time: at, Kind: "run", Workload: is.Workload,
				Text: fmt.Sprintf("%s does not run for %s: %s", is.Workload, is.Skipped.UTC().Format("2006-01-02 15:04 UTC"), is.SkippedWhy)})
		}
	}
	return events
}

// runNews is what became of a run since; "" for nothing.
func runNews(was *reconciler.JobFact, r *reconciler.Run) string {
	k := slices.IndexFunc(was.Runs, func(x reconciler.Run) bool { return x.Name == r.Name })
	switch {
	case k >= 0 && was.Runs[k].Outcome == r.Outcome:
		return ""
	case k >= 0 && r.Outcome == reconciler.RunUnderWay:
		return "goes on"
	case r.Outcome == reconciler.RunUnderWay:
		return "begins"
	case r.Reason == "":
		return fmt.Sprintf("has %s after %s", r.Outcome, r.Ended.Sub(r.Began).Round(time.Second))
	case r.Outcome == reconciler.RunSuperseded:
		return "is superseded: " + r.Reason
	}
	return fmt.Sprintf("has %s: %s", r.Outcome, r.Reason)
}

// runText tells in words what the text of a job or cron leads to.
func runText(before *reconciler.Facts, w *schema.Workload) string {
	many := fmt.Sprintf("%d to complete, %d at once", w.Completions, w.Parallelism)
	if w.Completions == 1 {
		many = "one to complete"
	}
	if w.Attempts == 1 {
		many += ", tried once"
	} else {
		many += fmt.Sprintf(", up to %d attempts each", w.Attempts)
	}
	if w.Kind == schema.Cron {
		return fmt.Sprintf("from its next instant on, %q by the clock of %s: %s", w.Schedule, w.TimeZone, many)
	}
	if j := before.Job(w.Name); j != nil && slices.Contains(j.Ran, w.Digest().Short()) {
		if slices.ContainsFunc(j.Runs, func(r reconciler.Run) bool {
			return r.Name == w.Digest().Short() && r.Outcome == reconciler.RunUnderWay
		}) {
			return "run " + w.Digest().Short() + " goes on by it"
		}
		return "run " + w.Digest().Short() + " has been before, and no digest runs twice"
	}
	return "a new run: " + many
}

// jobText is a rollout's event: of its runs others tell.
func jobText(r *reconciler.Rollout) string {
	text := r.Workload + " runs " + r.Target.Short()
	switch {
	case r.Stage == reconciler.Done && r.Want.Kind == schema.Cron:
		text = r.Workload + " runs " + r.Target.Short() + " from its next instant on"
	case r.Stage == reconciler.Done:
		text = r.Workload + " has run " + r.Target.Short()
	case r.Stage == reconciler.Waiting:
		text = r.Workload + " waits to run " + r.Target.Short()
	case r.Stage != reconciler.Rolling:
		text = r.Workload + " is " + string(r.Stage)
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}
