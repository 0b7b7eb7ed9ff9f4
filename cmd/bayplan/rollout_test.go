package main

import (
	"strings"
	"testing"
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
