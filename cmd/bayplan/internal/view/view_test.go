package view_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

var update = flag.Bool("update", false, "write the golden texts anew")

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// midway is a cluster in the middle of a rollout that goes badly.
func midway() *status.Status {
	return &status.Status{
		Schema: status.Schema, Cluster: "harbour",
		Revision: status.Revision{
			Commit: "3f2a9c1d2e4b5a697887", Time: ago(3 * time.Minute), Author: "Ann", Subject: "web: version 2\x1b[31m", Outcome: reconciler.Progressing,
			Reason: "waits for shop/web.1 to become healthy", Phases: []reconciler.PhaseTime{{Name: "detect", Took: schema.Duration(3 * time.Millisecond)}, {Name: "pull", Took: schema.Duration(2300 * time.Millisecond)}},
		},
		History: []status.Revision{{Commit: "aaaabbbbccccdddd", Time: ago(26 * time.Hour), Author: "Bob", Subject: "web: version 1", Outcome: reconciler.Applied}},
		Workloads: []status.Workload{
			{Name: "infra/log", Kind: "daemon", Desired: 2, Running: 2, Healthy: 2, Updated: 2, State: "running", Digest: "1111222233334444", Image: "registry/log:3"},
			{Name: "shop/web", Kind: "service", Desired: 2, Running: 2, Healthy: 1, Updated: 0, State: "rolling", Reason: "shop/web.1 is not healthy yet", Digest: "5555666677778888", Image: "registry/web:2", Slots: []status.Slot{
				{Slot: "shop/web.0", Node: "n1", Phase: nodes.Running, Health: nodes.Healthy, Digest: "0000", Ports: map[string]int{"http": 31000, "admin": 31001}, Address: "10.0.0.1", Container: "0123456789abcdef", Since: ago(26 * time.Hour), Reason: "created"},
				{Slot: "shop/web.1", Node: "n2", Phase: nodes.Running, Health: nodes.Unhealthy, Digest: "5555666677778888", Since: ago(40 * time.Second), Restarts: 2, Reason: "updated", Failure: &nodes.Failure{Text: "GET /up: 503"}},
				{Slot: "shop/web.1", Node: "n1", Phase: nodes.Running, Health: nodes.Healthy, Digest: "0000", Since: ago(26 * time.Hour), Stopping: true, Reason: "replaced"},
			}},
		},
		Nodes: []status.Node{
			{Name: "n1", State: "ready", Runtime: "docker 20.10.24", Address: "10.0.0.1", Version: "v1", Attributes: map[string]string{"os": "linux"}, Allocatable: nodes.Capacity{CPU: 4000, Memory: 8 << 30}, Reserved: nodes.Capacity{CPU: 500, Memory: 300 << 20}, Heard: ago(time.Second)},
			{Name: "n2", State: "unreachable", Reason: "silent for 20s", Heard: ago(20 * time.Second)},
		},
		Problems: []status.Problem{
			{Code: "git-unreachable", Text: "fetching file:///repo.git: no such repository", Next: "check --repo"},
			{Code: "health-failing", Subject: "shop/web.1", Text: "GET /up: 503", Next: "bayplan logs shop/web.1"},
		},
	}
}

func held() *status.Status {
	return &status.Status{Revision: status.Revision{
		Commit: "3f2a9c1d2e4b5a697887", Time: ago(time.Minute), Author: "Ann", Subject: "clean up", Outcome: reconciler.Held,
		Reason: "it would remove 2 of 3 workloads", Removals: []string{"shop/api", "shop/web"},
	}}
}

func preview() *status.Preview {
	return &status.Preview{
		Mode: status.Live, Commit: "aa11bb22cc33dd44ee55", Against: "3f2a9c1d2e4b5a697887", State: "5ca1ab1e", Held: "it would remove 2 of 3 workloads",
		Changes: []status.PreviewChange{
			{Workload: "shop/api", Action: "create", Slots: []status.PreviewSlot{{Slot: "shop/api.0", To: "n1", Ports: map[string]int{"http": 31000}, Score: 730}}},
			{Workload: "shop/db", Action: "settings", Fields: []status.FieldChange{{Path: "stop.grace", From: "10s", To: "30s"}}},
			{Workload: "shop/old", Action: "remove", Slots: []status.PreviewSlot{{Slot: "shop/old.0", From: "n2"}}},
			{Workload: "shop/web", Action: "update", Strategy: "rolling, 1 at a time beside the old", Fields: []status.FieldChange{
				{Path: "env.DEBUG", To: "1"}, {Path: "image", From: "web:1", To: "web:2", At: "shop/web.cue:5"}, {Path: "user", From: "root"},
			}, Warnings: []string{"image web:2 does not exist in registry docker.io"}, Slots: []status.PreviewSlot{{Slot: "shop/web.0", From: "n1", To: "n1", Effect: "restart"}, {Slot: "shop/web.1", From: "n1", To: "n2", Effect: "move"}}},
		},
		Cluster: []status.FieldChange{{Path: "pools.shop.weight", From: "1", To: "2"}},
		Pools: []status.PreviewPool{
			{Before: schema.Quantity{CPU: 1000}, Peak: schema.Quantity{CPU: 2500, Memory: 1 << 30}, After: schema.Quantity{CPU: 2000, Memory: 1 << 30}, Whole: &schema.Quantity{CPU: 8000, Memory: 16 << 30}},
			{Name: "shop", After: schema.Quantity{CPU: 1000}, Peak: schema.Quantity{CPU: 1500}, Limit: &schema.Quantity{CPU: 4000}},
		},
		Pulls:    []status.PreviewPull{{What: "docker.io/web@sha256:2", Nodes: []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7"}, From: []string{"mirror.example:5000", "docker.io"}}},
		Warnings: []string{"image old:1: its registry asks for a password", "image web:2 does not exist in registry docker.io"},
		Unplaced: []status.PreviewUnplaced{{Slot: "shop/web.2", Text: "none of 2 nodes can take it", Why: []string{"cpu: 2 nodes, nearest n1 lacks 1500m"}}},
	}
}

func explanation() *status.Explanation {
	return &status.Explanation{
		Slot: "shop/web.1", Text: "shop/web.1 is on n2", Lines: []string{"placed there since it fits best (score 730)"}, Next: "bayplan logs shop/web.1",
		Instances: midway().Workloads[1].Slots[1:2],
		Events:    []status.Event{{Time: ago(time.Minute), Kind: "order", Slot: "shop/web.1", Node: "n2", Text: "updated"}},
	}
}

func TestView_Golden(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	plain, wide, paint := view.Look{Now: now}, view.Look{Now: now, Wide: true}, view.Look{Now: now, Paint: true}
	for name, draw := range map[string]func(io.Writer){
		"status":       func(w io.Writer) { view.Status(w, midway(), plain) },
		"status_wide":  func(w io.Writer) { view.Status(w, midway(), wide) },
		"status_paint": func(w io.Writer) { view.Status(w, midway(), paint) },
		"status_empty": func(w io.Writer) { view.Status(w, &status.Status{}, plain) },
		"status_held":  func(w io.Writer) { view.Status(w, held(), plain) },
		"preview":      func(w io.Writer) { view.Preview(w, preview(), plain) },
		"preview_wide": func(w io.Writer) { view.Preview(w, preview(), wide) },
		"explanation":  func(w io.Writer) { view.Explanation(w, explanation(), plain) },
		"nodes_wide":   func(w io.Writer) { view.Nodes(w, midway().Nodes, wide) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			draw(&b)
			golden(t, name, strings.ReplaceAll(b.String(), "\x1b", "␛"))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}
