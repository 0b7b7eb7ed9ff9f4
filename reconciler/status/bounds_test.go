package status_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// statusOf is of a commit that is held for these removals, with many errors.
func statusOf(removals []string, errors int) status.Status {
	f := reconciler.Facts{Commits: []reconciler.Commit{{Revision: schema.Revision{Commit: strings.Repeat("a", 40)},
		Outcome: reconciler.Held, Reason: "it removes much", Removals: removals}}}
	team := schema.Team{Name: "shop"}
	for i := range errors {
		team.Errors = append(team.Errors, fmt.Sprintf("shop/web.cue:%d:1: no", i))
	}
	f.Spec.Teams = []schema.Team{team}
	return status.Of(status.Input{Cluster: "harbour", Facts: f, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
}

func TestProblems_AreBounded(t *testing.T) {
	for errors, want := range map[int]int{3: 4, status.MaxProblems - 1: status.MaxProblems, status.MaxProblems: status.MaxProblems, 20_000: status.MaxProblems} {
		got := statusOf(nil, errors).Problems
		if len(got) != want || got[0].Code != "held" {
			t.Errorf("%d errors: %d problems, the first %+v", errors, len(got), got[0])
		}
		last := got[len(got)-1]
		if all := errors + 1; all > status.MaxProblems {
			if text := fmt.Sprintf("and %d more problems", all-status.MaxProblems+1); last.Text != text || last.Next == "" {
				t.Errorf("%d errors: the last is %+v", errors, last)
			}
		} else if last.Code != "spec-invalid" {
			t.Errorf("%d errors: the last is %+v", errors, last)
		}
	}
}

func TestProblems_LongTextsAreCut(t *testing.T) {
	var removals []string
	for i := range 5000 {
		removals = append(removals, fmt.Sprintf("team/é%d", i))
	}
	s := statusOf(removals, 0)
	if text := s.Problems[0].Text; len(text) > status.MaxText || !utf8.ValidString(text) || !strings.HasSuffix(text, "…") {
		t.Errorf("a text of %d bytes: %s", len(text), text[max(0, len(text)-40):])
	}
	if len(s.Revision.Removals) != len(removals) || len(s.Problems) != 1 {
		t.Errorf("%d removals, %d problems", len(s.Revision.Removals), len(s.Problems))
	}
}
