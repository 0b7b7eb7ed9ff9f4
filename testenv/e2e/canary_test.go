package e2e

import (
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// checked is a service whose first slot goes ahead and is asked before the others
// follow, until someone lets it go on.
const checked = `
	image: "IMAGE"
	replicas: 3
	args: ["serve", "8080", "sleep"]
	resources: {cpu: "20m", memory: "16Mi"}
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "1s"}
	update: {
		strategy: "canary", minHealthyTime: "0s"
		canary: [{count: 1, checks: [
			{name: "go", kind: "check", exec: command: ["/program", "read", "/tmp/go"], retries: 600, interval: "500ms"},
			{name: "up", kind: "check", http: {path: "/up", port: "http"}},
			{name: "port", kind: "check", tcp: port: "http", together: true},
			LAST,
		]}]
	}
	stop: grace: "3s"
`

// A canary's step is checked on every runtime, by each means that there is, also
// where server and agents are killed meanwhile; no other slot is touched before
// that. One whose check fails goes back, and tells the check with what it wrote.
func TestE2E_CanaryIsChecked(t *testing.T) { onEach(t, canaryIsChecked) }

func canaryIsChecked(t *testing.T, on world) {
	s := buildOn(t, on)
	s.up(2)
	text := func(last string) string { return strings.ReplaceAll(checked, "LAST", last) }
	const own = `{name: "own", kind: "action", run: args: ["env", "TARGET_SLOT", "env", "TARGET_PORT_HTTP"]}`
	s.put("shop/web", text(own))
	s.wantOutcome(s.commit("the first version"), reconciler.Applied)
	before := s.of("shop/web")

	s.image = s.store("2")
	s.put("shop/web", text(own))
	commit := s.commit("the second")
	s.eventually("a check that waits to go on", func() bool { return waitsIn(s.status(), "go") })
	if said, code := s.try("bayplan promote shop/web 2>&1"); code == 0 || !strings.Contains(said, "the checks of step 1 of 1 have not passed") {
		t.Errorf("promoted past its checks: %d, %s", code, said)
	}
	s.server.kill()
	s.startServer()
	s.eventually("two nodes again", func() bool { return ready(s.status()) == 2 })
	s.eventually("the check that waits, again", func() bool { return waitsIn(s.status(), "go") })
	wantText(t, "status", s.shell("bayplan status -o wide"), "canary 1: step go on n", "try ")
	wantSame(t, "the slots beside the canary", others(before), others(s.of("shop/web")))
	s.shell("bayplan exec shop/web.0 -- /program write /tmp/go on")
	s.wantOutcome(commit, reconciler.Applied)
	events := s.shell("bayplan events shop/web")
	if n := strings.Count(events, "runbook step canary 1 own of shop/web.0"); n != 1 {
		t.Errorf("the action was ordered %d times:\n%s", n, events)
	}

	before = s.of("shop/web")
	s.image = s.store("3")
	s.put("shop/web", text(`{name: "lag", kind: "check", exec: command: ["/program", "echo", "lag is 7 MB", "exit", "4"], retries: 1, interval: "100ms"}`))
	commit = s.commit("one whose check fails")
	s.eventually("a check that waits to go on", func() bool { return waitsIn(s.status(), "go") })
	s.shell("bayplan exec shop/web.0 -- /program write /tmp/go on")
	r := s.wantOutcome(commit, reconciler.RolledBack)
	wantText(t, "the cause", r.Reason, "step lag (canary 1) of shop/web.0 on n", "try 2 of 2", "exited with code 4", "lag is 7 MB")
	s.eventually("three that are healthy", func() bool { return healthy(s.status(), "shop/web") == 3 && len(s.of("shop/web")) == 3 })
	wantSame(t, "the slots beside the canary", others(before), others(s.of("shop/web")))
}

// others are the containers of the slots behind the first.
func others(containers map[string]string) map[string]string {
	rest := map[string]string{}
	for id, life := range containers {
		if !strings.HasPrefix(life, "shop/web.0 ") {
			rest[id] = life
		}
	}
	return rest
}
