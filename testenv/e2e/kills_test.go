package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
)

// killsWeb drains for a second, so that there is a while in which the old one
// stops. hello/calm is never touched by a commit.
const (
	killsWeb = `package hello

workloads: web: {
	kind:     "service"
	image:    "IMAGE:VERSION"
	replicas: 3
	env: DRAIN: "1s"
	resources: {cpu: "50m", memory: "32Mi"}
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "1s"}
	update: {maxSurge: 1, maxUnavailable: 0, minHealthyTime: "1s"}
	stop: grace: "10s"
}
`
	killsCalm = `package hello

workloads: calm: {
	kind:     "service"
	image:    "IMAGE:1"
	replicas: 2
	resources: {cpu: "50m", memory: "32Mi"}
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "1s"}
	update: minHealthyTime: "0s"
}
`
)

// I4, I10, I21: whoever is killed, and whenever, no container is started or
// stopped that the rollout did not ask for, and the rollout ends well.
func TestE2E_KillsAmidARollout(t *testing.T) { onEach(t, killsAmidARollout) }

func killsAmidARollout(t *testing.T, on world) {
	d := startOn(t, on, t.TempDir())
	d.write("hello/calm.cue", d.named(killsCalm, ""))
	d.write("hello/web.cue", d.named(killsWeb, "1"))
	d.wantOutcome(d.commit("a calm workload beside it"), reconciler.Applied)
	agents := []string{"n1", "n2", "n3"}
	rec := record(t, d)
	for i, who := range [][]string{{"server"}, agents, append(agents, "server")} {
		t.Run(strings.Join(who, "+"), func(t *testing.T) {
			killsDuringRollout(d.in(t), rec, strconv.Itoa(2-i%2), who)
		})
	}
}

func killsDuringRollout(d *dev, rec *recorder, version string, who []string) {
	d.t.Helper()
	calm, old := d.of("hello/calm"), d.of("hello/web")
	if len(calm) != 2 || len(old) != 3 {
		d.t.Fatalf("%d and %d containers at the start", len(calm), len(old))
	}
	mark := rec.mark()
	d.write("hello/web.cue", d.named(killsWeb, version))
	commit := d.commit("version " + version)
	d.killAll(who) // just after the push
	rec.await(d.t, "new container", mark, action("create", "hello/web"))
	d.killAll(who) // just after the first order
	rec.await(d.t, "stop of an old one", mark, action("kill", "hello/web"))
	d.killAll(who) // while it drains
	d.wantOutcome(commit, reconciler.Applied)
	d.eventually("end of the old ones", func() bool { return len(d.of("hello/web")) == 3 })

	wantSame(d.t, "hello/calm", calm, d.of("hello/calm"))
	now := d.of("hello/web")
	for id := range old {
		if _, there := now[id]; there {
			d.t.Errorf("old container %.12s is still there", id)
		}
	}
	wantLives(d.t, rec, mark, "start", keys(now))
	wantLives(d.t, rec, mark, "die", keys(old))
	if touched := rec.since(mark, action("start", "hello/calm")); len(touched) > 0 {
		d.t.Errorf("hello/calm was started: %v", touched)
	}
}

// I4, I17: a version that is never healthy is given up, and what removes it or
// takes it back is killed meanwhile: the good containers never notice.
func TestE2E_KillsAmidARollback(t *testing.T) { onEach(t, killsAmidARollback) }

func killsAmidARollback(t *testing.T, on world) {
	d := startOn(t, on, t.TempDir())
	d.write("hello/calm.cue", d.named(killsCalm, ""))
	d.write("hello/web.cue", strings.ReplaceAll(d.named(killsWeb, "1"), "minHealthyTime", `healthyDeadline: "6s", minHealthyTime`))
	d.wantOutcome(d.commit("what runs well"), reconciler.Applied)
	rec := record(t, d)
	good := d.containers()
	everyone := []string{"n1", "n2", "n3", "server"}

	d.write("hello/web.cue", strings.ReplaceAll(d.named(killsWeb, "bad"), "minHealthyTime", `healthyDeadline: "6s", minHealthyTime`))
	commit := d.commit("a version that is never healthy")
	rec.await(t, "new container", 0, action("start", "hello/web"))
	d.killAll(everyone) // while it is hoped for
	rec.await(t, "stop of the bad one", 0, action("kill", "hello/web"))
	d.killAll(everyone) // while it is taken back
	d.wantOutcome(commit, reconciler.RolledBack)
	d.eventually("end of the bad one", func() bool { return len(d.containers()) == len(good) })
	wantSame(t, "after the rollback", good, d.containers())

	mark := rec.mark()
	calm := d.of("hello/calm")
	removal := d.push("git rm -q hello/web.cue")
	rec.await(t, "stop of a removed one", mark, action("kill", "hello/web"))
	d.killAll(everyone) // while it is removed
	d.wantOutcome(removal, reconciler.Applied)
	d.eventually("end of what was removed", func() bool { return len(d.of("hello/web")) == 0 })
	wantSame(t, "hello/calm", calm, d.of("hello/calm"))
	if again := rec.since(mark, action("start", "hello/web")); len(again) > 0 {
		t.Errorf("what was removed was started again: %v", again)
	}
}

// Kills at moments that nobody chose. BAYPLAN_SEED repeats a run's.
func TestE2E_KillsAtAnyMoment(t *testing.T) { onEach(t, killsAtAnyMoment) }

func killsAtAnyMoment(t *testing.T, on world) {
	d := startOn(t, on, t.TempDir())
	d.write("hello/calm.cue", d.named(killsCalm, ""))
	d.write("hello/web.cue", d.named(killsWeb, "1"))
	d.wantOutcome(d.commit("a calm workload beside it"), reconciler.Applied)
	rec := record(t, d)
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("BAYPLAN_SEED"); text != "" {
		fmt.Sscan(text, &seed)
	}
	t.Logf("BAYPLAN_SEED=%d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	everyone := []string{"server", "n1", "n2", "n3"}
	for i := range 5 {
		draw.Shuffle(len(everyone), func(a, b int) { everyone[a], everyone[b] = everyone[b], everyone[a] })
		who, after := slices.Clone(everyone[:1+draw.IntN(len(everyone))]), draw.IntN(leastEvents)
		t.Run(fmt.Sprintf("%s after %d events", strings.Join(who, "+"), after), func(t *testing.T) {
			killsAfter(d.in(t), rec, strconv.Itoa(2-i%2), who, after)
		})
	}
}

// leastEvents is what is seen of three slots' way: the new one's create
// and start, the old one's kill, die and destroy.
const leastEvents = 3 * 5

// killsAfter kills once there were so many events of the rollout.
func killsAfter(d *dev, rec *recorder, version string, who []string, after int) {
	d.t.Helper()
	calm, old, mark := d.of("hello/calm"), d.of("hello/web"), rec.mark()
	d.write("hello/web.cue", d.named(killsWeb, version))
	commit := d.commit("version " + version)
	for n := 0; n < after; n++ {
		rec.await(d.t, "next event", mark+n, func(*event) bool { return true })
	}
	d.killAll(who)
	d.wantOutcome(commit, reconciler.Applied)
	d.eventually("end of the old ones", func() bool { return len(d.of("hello/web")) == 3 })
	wantSame(d.t, "hello/calm", calm, d.of("hello/calm"))
	wantLives(d.t, rec, mark, "start", keys(d.of("hello/web")))
	wantLives(d.t, rec, mark, "die", keys(old))
}

// wantLives wants exactly one such event for each of the containers, and none
// for any other of hello/web.
func wantLives(t *testing.T, rec *recorder, mark int, name string, want []string) {
	t.Helper()
	for _, id := range want {
		mine := action(name, "hello/web")
		rec.await(t, name+" of "+id, mark, func(e *event) bool { return mine(e) && e.id == id })
	}
	count := map[string]int{}
	for _, e := range rec.since(mark, action(name, "hello/web")) {
		count[e.id]++
	}
	for _, id := range want {
		if count[id] != 1 {
			t.Errorf("%s of %.12s: %d times, want once", name, id, count[id])
		}
		delete(count, id)
	}
	for id, n := range count {
		t.Errorf("%s of %.12s: %d times, though nobody asked for it", name, id, n)
	}
}

// killAll ends children of dev with SIGKILL, at once, and waits until each has a
// successor.
func (d *dev) killAll(names []string) {
	d.t.Helper()
	old := map[string]int{}
	for _, name := range names {
		d.eventually(name+" that runs", func() bool { old[name] = d.pid(name); return old[name] > 0 && alive(old[name]) })
		if err := syscall.Kill(old[name], syscall.SIGKILL); err != nil {
			d.t.Fatalf("%s: %v", name, err)
		}
	}
	for _, name := range names {
		d.eventually("another "+name, func() bool { now := d.pid(name); return now > 0 && now != old[name] })
	}
}

// pid is a child's process id, 0 while it has none.
func (d *dev) pid(name string) int {
	b, err := os.ReadFile(filepath.Join(d.dir, "pid", name))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// clusterID is what the cluster's containers carry.
func (d *dev) clusterID() string {
	d.t.Helper()
	var ready struct{ Cluster string }
	b, err := os.ReadFile(filepath.Join(d.dir, "server.ready"))
	if err == nil {
		err = json.Unmarshal(b, &ready)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return ready.Cluster
}

// named fills in the demo's image and a version.
func (d *dev) named(text, version string) string {
	return strings.NewReplacer("IMAGE", d.image, "VERSION", version).Replace(text)
}

func keys(m map[string]string) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}
