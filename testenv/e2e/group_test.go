package e2e

import (
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// grouped makes a file before the main container reads it, serves from beside it
// at one of its ports, and leaves a word behind.
const grouped = `
	image: "IMAGE"
	args: ["read", "/data/made", "sleep"]
	volumes: data: path: "/data"
	ports: side: container: 9090
	health: {tcp: port: "side", interval: "200ms"}
	init: [
		{name: "first", image: "IMAGE", args: ["write", "/in/made", "a file", "echo", "first"], mounts: data: "/in"},
		{name: "second", image: "IMAGE", args: ["read", "/in/made"], mounts: data: "/in"},
	]
	sidecars: [{name: "beside", image: "IMAGE", args: ["serve", "9090", "echo", "beside", "sleep"]}]
	postStop: {name: "leave", image: "IMAGE", args: ["write", "/in/left", "a last word"], mounts: data: "/in"}
	update: minHealthyTime: "1s"
	stop: grace: "2s"
`

// A slot of several containers comes up in its order, shares its network, has one
// log for each, and runs what is to run last.
func TestE2E_Groups(t *testing.T) { onEach(t, groups) }

func groups(t *testing.T, on world) {
	s := buildOn(t, on)
	s.up(1)
	s.put("shop/web", grouped)
	s.wantOutcome(s.commit("a group"), reconciler.Applied)
	for container, want := range map[string]string{"": "a file", "first": "first", "second": "a file", "beside": "beside"} {
		if got := s.shell("bayplan logs shop/web.0 -c '" + container + "'"); !strings.Contains(got, want) {
			t.Errorf("log of %q: %q", container, got)
		}
	}
	if said, code := s.try("bayplan logs shop/web.0 -c nobody 2>&1"); !strings.Contains(said, "only beside, first, main, second") {
		t.Errorf("of a container that is none: %d %q", code, said)
	}
	before := s.of("shop/web")
	s.agents["n1"].kill()
	s.startAgent("n1", 1)
	s.eventually("node that is ready", func() bool { return ready(s.status()) == 1 })
	wantSame(t, "after the agent's restart", before, s.of("shop/web"))

	s.put("shop/web", strings.Replace(sleeper, `"sleep"`, `"read", "/data/left", "sleep"`, 1)+"\tvolumes: data: path: \"/data\"\n")
	s.wantOutcome(s.commit("what came last"), reconciler.Applied)
	if got := s.shell("bayplan logs shop/web.0"); !strings.Contains(got, "a last word") {
		t.Errorf("the post-stop left %q", got)
	}
	s.eventually("end of all parts", func() bool { return len(s.containers()) == 1 })
}
