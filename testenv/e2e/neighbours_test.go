package e2e

import (
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// I9: nodes that share an engine see each their own, and what others run there
// is never touched: not by a deployment, a removal, a restart or an end.
func TestE2E_OneEngineManyOwners(t *testing.T) {
	d := start(t, t.TempDir())
	plain := foreign(t, d)
	labelled := foreign(t, d, "--label", "io.bayplan.cluster=another-0123abcd", "--label", "io.bayplan.node=n1",
		"--label", "io.bayplan.id=hello/web.0@0123456789ab", "--label", "io.bayplan.slot=hello/web.0")
	halfLabelled := foreign(t, d, "--label", "io.bayplan.node=n1", "--label", "io.bayplan.slot=hello/web.0")
	other := build(t)
	other.up(1)
	other.put("hello/web", sleeper)
	other.wantOutcome(other.commit("the same name in another cluster"), reconciler.Applied)
	theirs := other.containers()
	untouched := func(when string) {
		t.Helper()
		for name, c := range map[string]stranger{"plain": plain, "another cluster's": labelled, "half labelled": halfLabelled} {
			if now := lifeOf(t, c.id); now != c.life {
				t.Errorf("%s: the %s container is %q, was %q", when, name, now, c.life)
			}
		}
		wantSame(t, when+": the other cluster", theirs, other.containers())
	}
	wantOwn(t, d)
	untouched("beside each other")

	d.write("hello/calm.cue", d.named(killsCalm, ""))
	d.write("hello/web.cue", d.named(killsWeb, "2"))
	d.wantOutcome(d.commit("more, and an update"), reconciler.Applied)
	wantOwn(t, d)
	untouched("after an update")
	d.killAll([]string{"n1", "n2", "n3"})
	d.wantOutcome(d.push("git rm -q hello/web.cue"), reconciler.Applied)
	d.eventually("end of hello/web", func() bool { return len(d.of("hello/web")) == 0 })
	untouched("after a removal")
	d.stop()
	untouched("after the end of dev")

	other.write("cluster.cue", "package cluster\n\ncluster: {}\n")
	other.wantOutcome(other.push("git rm -q hello/web.cue"), reconciler.Applied)
	theirs = map[string]string{}
	other.eventually("end of the other's", func() bool { return len(other.containers()) == 0 })
	untouched("after the other's removal")
}

// stranger is a container that nobody here may touch.
type stranger struct{ id, life string }

// foreign runs one of the demo's image.
func foreign(t *testing.T, d *dev, flags ...string) stranger {
	t.Helper()
	args := append([]string{"run", "-d", "--stop-signal", "KILL"}, flags...)
	id := strings.TrimSpace(run(t, "docker", append(args, d.image+":1")...))
	t.Cleanup(func() { exec.Command("docker", "rm", "-f", id).Run() })
	return stranger{id, lifeOf(t, id)}
}

// lifeOf is whether a container runs, since when, and how often it was started.
func lifeOf(t *testing.T, id string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "docker", "inspect", "--format", "{{.State.Status}} {{.State.StartedAt}} {{.RestartCount}} {{.Name}}", id))
}

// wantOwn wants the slots of each node to be the containers that carry its name,
// all of them and no others.
func wantOwn(t *testing.T, d *dev) {
	t.Helper()
	var last string
	if within(t, awhile, func() bool {
		said, real := map[string][]string{}, map[string][]string{}
		for _, w := range d.status().Workloads {
			for _, s := range w.Slots {
				said[s.Node] = append(said[s.Node], s.Container)
			}
		}
		for _, node := range []string{"n1", "n2", "n3"} {
			ids := run(t, "docker", "ps", "-aq", "--no-trunc", "--filter", "label=io.bayplan.cluster="+d.clusterID(), "--filter", "label=io.bayplan.node="+node)
			if all := strings.Fields(ids); len(all) > 0 {
				real[node] = all
			}
		}
		for _, lists := range []map[string][]string{said, real} {
			for _, list := range lists {
				slices.Sort(list)
			}
		}
		b, _ := json.Marshal([]any{said, real})
		last = string(b)
		return maps.EqualFunc(said, real, slices.Equal)
	}) {
		return
	}
	t.Errorf("what the status says of each node, and what it has: %s", last)
}
