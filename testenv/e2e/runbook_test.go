package e2e

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// ordered is a service that is updated by a runbook: the highest slot waits, once
// it is changed, until someone lets it go on.
const ordered = `
	image: "IMAGE"
	replicas: 3
	args: ["serve", "8080", "sleep"]
	resources: {cpu: "20m", memory: "16Mi"}
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "1s"}
	volumes: data: path: "/data"
	update: {
		strategy: "ordered", minHealthyTime: "0s"
		runbook: {
			first: [{name: "up", kind: "check", http: {path: "/up", port: "http"}, slot: 0}]
			phases: [{name: "one", slots: [2], before: DRAIN, after: [
				{name: "go", kind: "check", exec: command: ["/program", "read", "/tmp/go"], retries: 600, interval: "500ms"},
			]}, {name: "rest", before: DRAIN, after: AFTER}]
			last: [{name: "port", kind: "check", tcp: port: "http", slot: 1}]
		}
	}
	stop: grace: "3s"
`

const drain = `[{name: "drain", kind: "action", exec: command: ["/program", "write", "/data/drained", "yes"]}]`

// after finds what before left in the volume, and, from a container of its own,
// the instance's address.
const afterwards = `[
	{name: "drained", kind: "check", exec: command: ["/program", "read", "/data/drained"]},
	{name: "own", kind: "check", run: args: ["env", "TARGET_SLOT", "env", "TARGET_PORT_HTTP"], together: true},
]`

// An ordered update goes by its runbook on every runtime, the highest slot first,
// and goes on at the recorded step when server and agents are killed in it: no
// action is done again (I21, I32). One whose step fails goes back, and tells the
// step, its slot, its exit code and what it wrote.
func TestE2E_Runbook(t *testing.T) { onEach(t, runbook) }

func runbook(t *testing.T, on world) {
	s := buildOn(t, on)
	s.up(2)
	text := func(after string) string { return strings.NewReplacer("DRAIN", drain, "AFTER", after).Replace(ordered) }
	s.put("shop/db", text(afterwards))
	s.wantOutcome(s.commit("the first version"), reconciler.Applied)

	s.image = s.store("2")
	s.put("shop/db", text(afterwards))
	commit := s.commit("the second")
	s.eventually("a step that waits to go on", func() bool { return waitsIn(s.status(), "go") })
	s.server.kill()
	for name, a := range maps.Clone(s.agents) {
		a.kill()
		s.startAgent(name, int(name[1]-'0'))
	}
	s.startServer()
	s.eventually("two nodes again", func() bool { return ready(s.status()) == 2 })
	s.eventually("the step that waits to go on, again", func() bool { return waitsIn(s.status(), "go") })
	wantText(t, "status", s.shell("bayplan status -o wide"), "runbook: one", "step go on n", "try ")
	s.shell("bayplan exec shop/db.2 -- /program write /tmp/go on")
	s.wantOutcome(commit, reconciler.Applied)
	if order := startOrder(s.of("shop/db")); !slices.Equal(order, []string{"shop/db.2", "shop/db.1", "shop/db.0"}) {
		t.Errorf("changed in the order %v", order)
	}
	events := s.shell("bayplan events shop/db")
	for _, step := range []string{"before drain of shop/db.2", "before drain of shop/db.1", "before drain of shop/db.0"} {
		if n := strings.Count(events, "runbook step "+step); n != 1 {
			t.Errorf("%s was ordered %d times:\n%s", step, n, events)
		}
	}

	s.image = s.store("3")
	s.put("shop/db", text(`[{name: "lag", kind: "check", exec: command: ["/program", "echo", "lag is 7 MB", "exit", "4"], retries: 1, interval: "100ms"}]`))
	commit = s.commit("one whose check fails")
	s.eventually("a step that waits to go on", func() bool { return waitsIn(s.status(), "go") })
	s.shell("bayplan exec shop/db.2 -- /program write /tmp/go on")
	r := s.wantOutcome(commit, reconciler.RolledBack)
	wantText(t, "the cause", r.Reason, "step lag (after) of shop/db.1 on n", "try 2 of 2", "exited with code 4", "lag is 7 MB")
	s.eventually("three that are healthy", func() bool { return healthy(s.status(), "shop/db") == 3 && len(s.of("shop/db")) == 3 })
}

// waitsIn is whether an ordered update is at a step of that name that did not pass
// yet.
func waitsIn(st status.Status, step string) bool {
	for _, w := range st.Workloads {
		if w.Runbook != nil && slices.ContainsFunc(w.Runbook.Steps, func(s status.RunbookStep) bool {
			return s.Name == step && s.Try > 1 && s.State != "passed"
		}) {
			return true
		}
	}
	return false
}

// startOrder are the slots of these containers, the one that runs for longest
// first.
func startOrder(containers map[string]string) (slots []string) {
	lives := slices.SortedFunc(maps.Values(containers), func(a, b string) int { return cmp.Compare(began(a), began(b)) })
	for _, life := range lives {
		slot, _, _ := strings.Cut(life, " ")
		slots = append(slots, slot)
	}
	return slots
}

// began is when a life began, on a clock of its runtime: the last word tells it.
func began(life string) int64 {
	word := life[strings.LastIndex(life, " ")+1:]
	if at, err := time.Parse(time.RFC3339Nano, word); err == nil {
		return at.UnixNano()
	}
	ticks, _ := strconv.ParseInt(word, 10, 64)
	return ticks
}
