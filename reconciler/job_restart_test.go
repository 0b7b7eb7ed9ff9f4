package reconciler_test

import (
	"testing"

	"github.com/cockroachdb/datadriven"
)

// What becomes of jobs and crons is the same with the server restarted between
// every two steps: what ran, and which attempt where (I5, I6, I21, I24).
func TestReconcile_JobsWithRestartsBetween(t *testing.T) {
	for _, name := range []string{"job", "job_fails", "job_superseded", "cron", "cron_overlap", "cron_dst"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			datadriven.RunTest(t, "testdata/"+name+".txt", func(t *testing.T, d *datadriven.TestData) string {
				w.restart(t)
				got := w.do(t, d)
				w.restart(t)
				if d.Cmd == "runs" {
					return got
				}
				return d.Expected // how the other steps read hangs on how many passes there were
			})
		})
	}
}

// restart is another leader, with the facts as the ledger gives them back; it
// hears again from the nodes that it can hear.
func (w *world) restart(t *testing.T) {
	w.fail()
	w.facts = throughLedger(t, w.facts)
	w.facts.Anchor(w.now)
	w.pass()
	w.hearAll()
	w.pass()
}
