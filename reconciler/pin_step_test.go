package reconciler_test

import (
	"slices"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// The images of steps' own containers are pinned as the workload's is: what the
// accepted text had stays, though its tag moved (I16).
func TestPin_StepsOwnImages(t *testing.T) {
	spec := func(images ...string) *schema.Spec {
		w := parseWorkload(t, []string{"shop/db", "strategy=ordered"})
		b := &schema.Runbook{}
		for _, image := range images {
			b.Before = append(b.Before, schema.Step{Run: &schema.OneShot{Image: image}})
		}
		w.Update.Runbook = b
		return &schema.Spec{Workloads: []schema.Workload{w}}
	}
	accepted := spec("tool:1")
	if unknown := reconciler.Pin(accepted, &schema.Spec{}, map[string]string{"img:1": "img@sha256:a", "tool:1": "tool@sha256:b"}); len(unknown) > 0 {
		t.Fatal(unknown)
	}
	next := spec("tool:1", "tool:2", "", "x@sha256:c", "tool:3")
	text := next.Workloads[0].OneShots()[1]
	unknown := reconciler.Pin(next, accepted, map[string]string{"img:1": "img@sha256:a", "tool:1": "tool@sha256:moved", "tool:2": "tool@sha256:d"})
	var got []string
	for _, o := range next.Workloads[0].OneShots() {
		got = append(got, o.Pinned)
	}
	if !slices.Equal(unknown, []string{"tool:3"}) || !slices.Equal(got, []string{"tool@sha256:b", "tool@sha256:d", "", "x@sha256:c", ""}) {
		t.Errorf("%q, unknown %q", got, unknown)
	}
	if text.Pinned != "" {
		t.Error("the text that was read changed")
	}
}
