package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Scripts live by exit codes: each verb has those of the README.
func TestE2E_ExitCodes(t *testing.T) {
	s := build(t)
	s.up(1)
	s.put("shop/web", sleeper)
	good := s.commit("one")
	s.wantExit(0, "bayplan status --wait --timeout 60s --revision "+good)
	s.wantExit(0, "bayplan status --wait --timeout 60s")
	s.wantExit(7, "bayplan status --wait --timeout 1s --revision 0123456789abcdef0123456789abcdef01234567")
	s.wantExit(64, "bayplan status --wait --revision not-a-commit")
	s.wantExit(64, "bayplan status --no-such-flag")

	began := time.Now()
	s.put("shop/web", exits)
	s.wantExit(1, "bayplan status --wait --timeout 60s --revision "+s.commit("two"))
	t.Logf("rolled back after %s", time.Since(began))
	s.wantExit(0, "bayplan plan "+s.clone)
	s.put("shop/web", sleeper)
	s.wantExit(2, "bayplan plan --exit-code "+s.clone)
	s.put("shop/web", strings.Replace(sleeper, "20m", "900", 1))
	s.wantExit(4, "bayplan plan "+s.clone)
	s.write("shop/web.cue", "package shop\nworkloads: web: {\n")
	s.wantExit(5, "bayplan plan "+s.clone)
	s.wantExit(5, "bayplan validate "+s.clone)
	s.server.kill()
	s.wantExit(69, "bayplan status")
	s.wantExit(69, "BAYPLAN_SERVER=https://127.0.0.1:1 bayplan events")
}

// shape is a JSON document's: the type of each field, by its path. A list's
// items are "[]".
func shape(path string, v any, into map[string]string) map[string]string {
	switch v := v.(type) {
	case map[string]any:
		into[path] = "object"
		for k, x := range v {
			shape(strings.TrimPrefix(path+"."+k, "."), x, into)
		}
	case []any:
		into[path] = "list"
		for _, x := range v {
			shape(path+"[]", x, into)
		}
	case string:
		into[path] = "string"
	case float64:
		into[path] = "number"
	case bool:
		into[path] = "bool"
	}
	return into
}

// promised is what other tools rely on; fields may be added, never changed.
var promised = map[string]string{
	"schema": "string", "revision": "object", "workloads": "list", "nodes": "list", "problems": "list",
	"revision.commit": "string", "revision.time": "string", "revision.author": "string",
	"revision.subject": "string", "revision.outcome": "string",
	"workloads[].name": "string", "workloads[].kind": "string", "workloads[].desired": "number",
	"workloads[].running": "number", "workloads[].healthy": "number", "workloads[].updated": "number",
	"workloads[].digest": "string", "workloads[].state": "string", "workloads[].reason": "string", "workloads[].slots": "list",
	"workloads[].slots[].slot": "string", "workloads[].slots[].node": "string", "workloads[].slots[].phase": "string",
	"workloads[].slots[].health": "string", "workloads[].slots[].digest": "string", "workloads[].slots[].ports": "object",
	"workloads[].slots[].ports.http": "number", "workloads[].slots[].address": "string",
	"workloads[].slots[].container": "string", "workloads[].slots[].since": "string",
	"nodes[].name": "string", "nodes[].state": "string", "nodes[].runtime": "string",
	"nodes[].allocatable": "object", "nodes[].reserved": "object",
	"problems[].code": "string", "problems[].text": "string", "problems[].next": "string",
}

func TestE2E_DocumentsForOtherTools(t *testing.T) {
	s := build(t)
	s.up(1)
	empty := decode(t, s.shell("bayplan status -o json"))
	for _, list := range []string{"workloads", "nodes", "problems"} {
		if got := shape("", empty, map[string]string{})[list]; got != "list" {
			t.Errorf("before the first commit %s is %q, want a list", list, got)
		}
	}
	s.put("shop/web", sleeper+"\treplicas: 3\n\tports: http: container: 8080\n")
	s.put("shop/big", strings.Replace(sleeper, "20m", "900", 1))
	commit := s.commit("one that runs and one that has no place")
	s.wantShown("unplaced")
	s.eventually("three that run", func() bool { return healthy(s.status(), "shop/web") == 3 })

	doc := decode(t, s.shell("bayplan status -o json"))
	got := shape("", doc, map[string]string{})
	for path, want := range promised {
		if got[path] != want {
			t.Errorf("status: %s is %q, want %s", path, got[path], want)
		}
	}
	if doc["schema"] != "bayplan/v1" || doc["revision"].(map[string]any)["commit"] != commit {
		t.Errorf("schema %v, revision %v", doc["schema"], doc["revision"])
	}
	wantSlots(s)
	wantEvents(s, commit)
	wantPlain(s)
}

// wantSlots wants what the status says of each slot to be so.
func wantSlots(s *site) {
	s.t.Helper()
	for _, w := range s.status().Workloads {
		if w.Name != "shop/web" {
			continue
		}
		if w.Kind != "service" || w.Desired != 3 || w.Running != 3 || w.Updated != 3 {
			s.t.Errorf("shop/web: %+v", w)
		}
		for _, x := range w.Slots {
			name := run(s.t, "docker", "inspect", "--format", `{{index .Config.Labels "io.bayplan.slot"}} {{.State.StartedAt}}`, x.Container)
			slot, started, _ := strings.Cut(strings.TrimSpace(name), " ")
			at, err := time.Parse(time.RFC3339Nano, started)
			// The server tells a node's times in its own clock.
			if slot != x.Slot || err != nil || at.Sub(x.Started).Abs() > time.Second || x.Ports["http"] == 0 || x.Address == "" {
				s.t.Errorf("%+v; the engine says %s", x, name)
			}
		}
	}
}

// wantEvents wants one object a line with the promised fields, in the order of
// time, and the way of a container among them.
func wantEvents(s *site, commit string) {
	s.t.Helper()
	kinds := map[string]bool{}
	var last time.Time
	for _, line := range strings.Split(s.shell("bayplan events -o json"), "\n") {
		e := decode(s.t, line)
		for _, k := range []string{"time", "kind", "text"} {
			if text, ok := e[k].(string); !ok || text == "" {
				s.t.Errorf("event without %s: %s", k, line)
			}
		}
		for k := range e {
			if !strings.Contains(" time kind workload slot node commit actor code subject over text ", " "+k+" ") {
				s.t.Errorf("event with a field %s that nobody knows: %s", k, line)
			}
		}
		at, err := time.Parse(time.RFC3339Nano, e["time"].(string))
		if err != nil || at.Before(last) {
			s.t.Errorf("time %v after %s: %v", e["time"], last, err)
		}
		last = at
		kind := e["kind"].(string)
		if kind == "order" && (e["commit"] != commit || e["workload"] != "shop/web" || e["node"] != "n1" || e["slot"] == nil) {
			s.t.Errorf("order %s", line)
		}
		kinds[kind] = true
	}
	for _, k := range []string{"commit", "order", "phase", "node"} {
		if !kinds[k] {
			s.t.Errorf("no event of kind %s among %v", k, kinds)
		}
	}
}

// wantPlain wants data on stdout and nothing else, and no colours where nobody
// looks.
func wantPlain(s *site) {
	s.t.Helper()
	for _, verb := range []string{"status", "status -o wide", "events", "explain shop/web.0", "node ls"} {
		if out := s.shell("bayplan " + verb + " 2>/dev/null"); strings.Contains(out, "\x1b[") || out == "" {
			s.t.Errorf("%s: %q", verb, out)
		}
	}
	for _, verb := range []string{"status", "node ls", "explain shop/web.0", "plan " + s.clone} {
		if out, _ := s.try("bayplan " + verb + " -o json 2>/dev/null"); decode(s.t, out)["schema"] != "bayplan/v1" {
			s.t.Errorf("%s -o json: %s", verb, out)
		}
		if out, _ := s.try("bayplan " + verb + " -o yaml 2>/dev/null"); !strings.Contains(out, "schema: bayplan/v1") {
			s.t.Errorf("%s -o yaml: %s", verb, out)
		}
	}
}

func decode(t *testing.T, text string) (doc map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return doc
}
