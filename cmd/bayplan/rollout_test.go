package main

import (
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// A workload that runs to completion is there, and has no rollout.
func TestRolloutIn_JobHasNone(t *testing.T) {
	raw := []byte(`{"schema": "bayplan/v1", "workloads": [{"name": "shop/migrate", "kind": "job"}]}`)
	for name, want := range map[string]string{"shop/migrate": "shop/migrate is a job: it has runs", "shop/web": "there is no workload shop/web"} {
		if _, err := rolloutIn(raw, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of %s: %v, want %q", name, err, want)
		}
	}
}

// A restart of what a workload went back to has ended well where that runs anew,
// though the version that is asked for stays in quarantine.
func TestRolloutVerdict_OfARestart(t *testing.T) {
	w := &status.Workload{Name: "shop/web", Rollout: &status.Rollout{Stage: reconciler.Reverted, From: "anew", To: "bad", Reason: "it exits"}}
	for anew, fine := range map[schema.Digest]bool{"": false, "anew": true, "other": false} {
		if err := rolloutVerdict(w, anew); (err == nil) != fine {
			t.Errorf("restarted as %q: %v", anew, err)
		}
	}
}
