package reconciler_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// TestGrant_DeleteVolumes: only what is kept and not in use is deleted, with who
// said so (I18, I39); all else is told what to type instead.
func TestGrant_DeleteVolumes(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	slot := func(i int) schema.Slot { return schema.Slot{Workload: "shop/db", Index: i} }
	f := reconciler.Facts{
		Nodes: []reconciler.NodeFact{{Name: "n1", Assignment: nodes.Assignment{Orders: []nodes.Order{{Slot: slot(1)}}}}, {Name: "n2"}},
		Volumes: []reconciler.VolumeFact{
			{Slot: slot(0), Node: "n1"}, {Slot: slot(1), Node: "n1", Retired: now}, {Slot: slot(2), Node: "n1", Retired: now, Holds: map[string]schema.Bytes{"wal": 0, "data": 0}},
			{Slot: slot(3), Node: "n1", Retired: now}, {Slot: slot(3), Node: "n2", Retired: now},
			{Slot: slot(4), Node: "n1", Retired: now, Deleting: &reconciler.Deleting{Actor: "bob", At: now}}, {Slot: slot(5), Node: "n1", Retired: now, Bare: true},
		},
	}
	for of, want := range map[string]string{
		"shop/db":      `"shop/db" is no slot`,
		"shop/db.0":    "shop/db.0 is at home on n1",
		"shop/db.1":    "shop/db.1 has not ended on n1 yet",
		"shop/db.3":    "say which to delete: bayplan volume rm shop/db.3@n1",
		"shop/db.4":    "are being deleted since 2026-01-02 03:00:00 UTC by bob",
		"shop/db.5":    "no volumes of shop/db.5 are kept",
		"shop/db.2@n2": "no volumes of shop/db.2@n2 are kept",
	} {
		if _, _, err := reconciler.Grant(f, reconciler.Wish{Verb: reconciler.DeleteVolumes, Of: of, Actor: "ann", At: now}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", of, err, want)
		}
	}
	for of, at := range map[string]int{"shop/db.2": 2, "shop/db.3@n2": 4} {
		after, g, err := reconciler.Grant(f, reconciler.Wish{Verb: reconciler.DeleteVolumes, Of: of, Actor: "ann", Reason: "disk", At: now})
		if err != nil || after.Volumes[at].Deleting == nil || after.Volumes[at].Deleting.Actor != "ann" || f.Volumes[at].Deleting != nil {
			t.Errorf("%s: %v", of, err)
		}
		if !strings.HasSuffix(g.Text, "are deleted by ann: disk") || at == 2 && !strings.Contains(g.Text, "(data, wal)") {
			t.Error(g.Text)
		}
	}
}
