package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Where an ordered update stands is drawn with its turns, each step's try, and the
// end of what it wrote, cleaned of what a terminal would obey.
func TestRunbook(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := status.Workload{Name: "shop/db", Runbook: &status.Runbook{Part: "replicas", Text: "runbook: replicas",
		Turns: []status.RunbookTurn{{Slot: "shop/db.2", At: "done"}, {Slot: "shop/db.1", At: "after"}},
		Steps: []status.RunbookStep{{Name: "up", List: "after", Node: "n2", Try: 1, Tries: 1, State: "passed", Since: at},
			{Name: "lag", List: "after", Node: "n2", Try: 3, Tries: 10, State: "failed", Since: at, Text: "exited with code 1", Output: "looking\nlag is 7 MB\x1b[2J"}},
	}}
	var b strings.Builder
	view.Runbook(&b, &w, view.Look{Now: at.Add(5 * time.Second)})
	const want = `
shop/db  runbook: replicas
  shop/db.2  done
  shop/db.1  after
  after step up on n2 passed  (5s)
  after step lag on n2, try 3 of 10 failed: exited with code 1: lag is 7 MB[2J  (5s)
    | looking
    | lag is 7 MB[2J
`
	if got := b.String(); got != want {
		t.Errorf("got:\n%s", got)
	}
	b.Reset()
	view.Runbook(&b, &status.Workload{Name: "shop/web"}, view.Look{})
	if b.Len() > 0 {
		t.Errorf("for none: %q", b.String())
	}
}
