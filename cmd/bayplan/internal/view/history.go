package view

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// History draws what became of commits, and of one workload's rollouts.
func History(w io.Writer, h *status.History, l Look) {
	if h.Workload != "" {
		rolloutEnds(w, h.Rollouts, l)
		fmt.Fprintln(w)
	}
	if len(h.Commits) == 0 {
		fmt.Fprintln(w, "no commits")
		return
	}
	of := &status.Status{Operators: h.Operators}
	for i := range h.Commits {
		if name := h.Commits[i].Repo; name != "" {
			of.Repos = append(of.Repos, status.Repo{Followed: status.Followed{Name: name}})
		}
	}
	t := newByRepo(of, l, []string{"COMMIT", "OUTCOME", "AGE", "AUTHOR", "SUBJECT", "PHASES", "REASON"})
	for i := range h.Commits {
		r := &h.Commits[i]
		t.row(r.Repo, []any{short(r.Commit), outcomeCell(r.Outcome), show.Since(l.Now, r.Time), r.Author, r.Subject, dash(phases(r.Phases)), cmp.Or(r.Reason, approved(r))})
		if differ(r.Teams) || l.Wide {
			for _, x := range r.Teams {
				t.row(r.Repo, []any{"  " + teamName(x.Team), outcomeCell(x.Outcome), "", "", "", "", x.Reason})
			}
		}
	}
	t.Print(w)
	if h.Workload != "" || l.Wide {
		commitCauses(w, h.Commits, l)
	}
}

func approved(r *status.Revision) string {
	if len(r.Approved) == 0 {
		return ""
	}
	return "approved by " + strings.Join(r.Approved, " and ")
}

// commitCauses draws the slots that made commits fail or go back.
func commitCauses(w io.Writer, all []status.Revision, l Look) {
	for i := range all {
		if r := &all[i]; len(r.Causes) > 0 {
			fmt.Fprintf(w, "\n%s  %s\n", short(r.Commit), l.Paint.Text(outcomeColour(r.Outcome), string(r.Outcome)))
			for j := range r.Causes {
				cause(w, &r.Causes[j], l)
			}
		}
	}
}

func outcomeCell(o reconciler.Outcome) show.Cell {
	return show.Cell{Text: string(o), Colour: outcomeColour(o)}
}

// differ is whether the teams have not all one outcome.
func differ(all []reconciler.TeamOutcome) bool {
	for i := range all {
		if all[i].Outcome != all[0].Outcome {
			return true
		}
	}
	return false
}

func teamName(name string) string {
	if name == "" {
		return "(root)"
	}
	return name
}

func rolloutEnds(w io.Writer, all []reconciler.End, l Look) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no rollout has ended yet")
		return
	}
	t := show.NewColumns(l.Paint, "ROLLOUT", "FROM", "OUTCOME", "ENDED", "TOOK", "COMMIT", "REASON")
	for i := range all {
		e := &all[i]
		t.Row(e.To.Short(), dash(e.From.Short()), outcomeCell(e.Outcome), show.Since(l.Now, e.Ended)+" ago", show.Took(e.Ended.Sub(e.Began)), short(e.Commit), e.Reason)
	}
	t.Print(w)
}
