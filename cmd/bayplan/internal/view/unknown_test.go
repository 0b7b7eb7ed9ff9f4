package view

import (
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler/status"
)

// What is not known yet is drawn as such, and not as absent.
func TestStatus_MarksWhatIsUnknown(t *testing.T) {
	var b strings.Builder
	Status(&b, &status.Status{Workloads: []status.Workload{{Name: "shop/web", Kind: "service", Desired: 3, Running: 1, Healthy: 1, Updated: 1, Unknown: 2, State: "unknown",
		Slots: []status.Slot{{Slot: "shop/web.0", Node: "n2", Unknown: true}}}}}, Look{Wide: true})
	fields := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"shop/web service 3 1+2? 1+2? 1+2? unknown", "shop/web.0 n2 unknown"} {
		if !strings.Contains(fields, want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
