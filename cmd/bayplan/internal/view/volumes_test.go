package view

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

func TestVolumes_SaysWhatIsKeptAndUntilWhen(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 0, 0, time.Local)
	var b strings.Builder
	Volumes(&b, []status.Volume{
		{Slot: "shop/db.0", Node: "n1", State: "in use", Holds: map[string]schema.Bytes{"wal": 0, "data": 10 << 30}, Since: at},
		{Slot: "shop/db.1", Node: "n2", State: "kept", Since: at, Retired: at, Until: at.Add(time.Hour)},
		{Slot: "shop/db.2", Node: "n2", State: "kept", Since: at, Retired: at},
		{Slot: "shop/db.3", Node: "n3", State: "deleting", By: "ann", Since: at},
	}, Look{})
	for _, want := range []string{"in use", "data (10Gi), wal", "kept until 2026-01-02 04:04", "kept until deleted", "deleting by ann"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	Volumes(&b, nil, Look{})
	if !strings.HasPrefix(b.String(), "no volumes") {
		t.Error(b.String())
	}
}
