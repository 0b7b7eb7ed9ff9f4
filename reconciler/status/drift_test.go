package status_test

import (
	"testing"

	"github.com/bayplan/bayplan/reconciler/status"
)

// TestDriftOf_Golden is where some worlds are not as the repository asks, and why;
// one that is has nothing to tell.
func TestDriftOf_Golden(t *testing.T) {
	for name, w := range map[string]*world{"running": running(), "rolling": rolling(), "trouble": trouble(), "held": held(), "silent": silent(), "unplaced": unplaced()} {
		s := w.of()
		d := status.DriftOf(&s, "")
		if quiet := name == "running"; quiet != (len(d.Items) == 0) {
			t.Errorf("%s: %d differences", name, len(d.Items))
		}
		for _, x := range d.Items {
			if x.Cause == "" || x.Desired == "" || x.Running == "" || x.Kind == "" {
				t.Errorf("%s: no reason, or no difference: %+v", name, x)
			}
		}
		golden(t, "drift_"+name+".json", document(t, d))
		if d := status.DriftOf(&s, "none/such"); len(d.Items) != 0 {
			t.Errorf("%s: of another team: %v", name, d.Items)
		}
	}
}
