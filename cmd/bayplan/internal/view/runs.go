package view

import (
	"fmt"
	"io"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Runs draws a line for each run of these workloads, the newest of each first,
// and with Wide one for each of its slots that was tried.
func Runs(w io.Writer, all []status.Workload, l Look) {
	t := show.NewColumns(l.Paint, "WORKLOAD", "RUN", "OUTCOME", "COMPLETE", "ATTEMPTS", "BEGAN", "TOOK", "REASON")
	drawn := 0
	for i := range all {
		for _, r := range all[i].Runs {
			t.Row(all[i].Name, r.Run, show.Cell{Text: string(r.Outcome), Colour: runColour(r.Outcome)}, fmt.Sprintf("%d/%d", r.Completed, r.Completions),
				r.Attempts, show.Since(l.Now, r.Began), took(&r, l), r.Reason)
			drawn++
		}
	}
	if drawn == 0 {
		fmt.Fprintln(w, "no runs: a workload of kind job runs once for each change, one of kind cron by its schedule")
	} else {
		t.Print(w)
	}
	if l.Wide && drawn > 0 {
		runSlots(w, all, l)
	}
	for i := range all {
		firings(w, &all[i], l)
	}
}

func took(r *status.Run, l Look) string {
	if r.Ended.IsZero() {
		return show.Age(l.Now.Sub(r.Began))
	}
	return show.Took(r.Ended.Sub(r.Began))
}

func runColour(o reconciler.RunOutcome) show.Colour {
	switch o {
	case reconciler.RunCompleted:
		return show.Good
	case reconciler.RunFailed:
		return show.Bad
	}
	return show.Warn
}

func runSlots(w io.Writer, all []status.Workload, l Look) {
	fmt.Fprintln(w)
	t := show.NewColumns(l.Paint, "SLOT", "RUN", "NODE", "ATTEMPT", "STATE", "BEGAN", "EXIT", "REASON")
	for i := range all {
		for _, r := range all[i].Runs {
			for _, s := range r.Slots {
				exit := "-"
				if s.State != "running" {
					exit = itoa(s.ExitCode)
				}
				t.Row(s.Slot, r.Run, s.Node, s.Attempt, s.State, show.Since(l.Now, s.Began), exit, s.Reason)
			}
		}
	}
	t.Print(w)
}

// firings tells when a cron fires next, and which instant it left out.
func firings(w io.Writer, x *status.Workload, l Look) {
	const instant = "2006-01-02 15:04 UTC"
	if s := x.Skipped; s != nil {
		fmt.Fprintf(w, "%s\n", l.Paint.Text(show.Warn, fmt.Sprintf("%s did not run for %s: %s", show.Clean(x.Name), s.At.UTC().Format(instant), show.Clean(s.Reason))))
	}
	if !x.Next.IsZero() {
		fmt.Fprintf(w, "%s\n", l.Paint.Text(show.Quiet, fmt.Sprintf("%s fires next at %s", show.Clean(x.Name), x.Next.UTC().Format(instant))))
	}
}
