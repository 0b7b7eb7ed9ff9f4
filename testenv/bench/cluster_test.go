package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
)

// patience bounds every wait for something that takes seconds.
const patience = 2 * time.Minute

// The runtimes that a cluster may run its containers by.
const (
	docker  = "docker"
	builtin = "native"
)

// cluster is a `bayplan dev` in a folder of its own, with a clone of its
// repository and its events as they come.
type cluster struct {
	b     *testing.B
	dir   string
	clone string
	env   []string
	// image is the demo's, without its tag.
	image string
	// took is from the start to the sample's health.
	took   time.Duration
	events <-chan status.Event
}

// up brings a cluster up and has it taken down when b ends.
func up(b *testing.B, runtime string, nodes int) *cluster {
	b.Helper()
	if life.Err() != nil {
		b.Fatal("interrupted")
	}
	c := &cluster{b: b, dir: b.TempDir(), clone: filepath.Join(b.TempDir(), "clone"), env: os.Environ()}
	began := time.Now()
	lines, stop := c.spawn("dev", "--allow", "host-network", "--dir", c.dir, "--runtime", runtime, "--nodes", strconv.Itoa(nodes))
	b.Cleanup(func() {
		if err := stop(); err != nil {
			b.Errorf("bayplan dev ended with %v", err)
		}
	})
	for line := range lines {
		if strings.Contains(line, "Next, in another terminal") {
			c.took = time.Since(began)
			break
		}
	}
	if c.took == 0 {
		b.Fatal("bayplan dev ended before the sample was up")
	}
	go drain(lines)
	c.env = strings.Split(strings.TrimSuffix(c.run(`. "`+c.dir+`/env" && env -0`), "\x00"), "\x00")
	c.image = c.run(`printf %s "$BAYPLAN_DEMO_IMAGE"`)
	c.run("git clone -q '" + c.dir + "/repo.git' '" + c.clone + "'")
	c.run("cd '" + c.clone + "' && git config user.name bench && git config user.email bench@example.invalid")
	return c
}

func drain[T any](c <-chan T) {
	for range c {
	}
}

// spawn starts bayplan; the channel has its lines and is closed at their end.
// stop is Ctrl-C and waits for the end, but not for ever.
func (c *cluster) spawn(args ...string) (lines <-chan string, stop func() error) {
	c.b.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = c.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.b.Fatal(err)
	}
	said := make(chan string, 1024)
	go func() {
		defer close(said)
		for s := bufio.NewScanner(out); s.Scan(); {
			said <- s.Text()
		}
	}()
	return said, func() error {
		cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer late.Stop()
		drain(said)
		return cmd.Wait()
	}
}

// follow begins to read the events that come from now on.
func (c *cluster) follow() {
	c.b.Helper()
	lines, stop := c.spawn("events", "-o", "json", "-f", "--last", "1")
	c.b.Cleanup(func() { stop() }) // it was interrupted and says so
	events := make(chan status.Event, 1024)
	go func() {
		defer close(events)
		for line := range lines {
			var e status.Event
			if json.Unmarshal([]byte(line), &e) == nil {
				events <- e
			}
		}
	}()
	c.events = events
	<-events // the newest of before: it listens
}

// await reads events until one fits.
func (c *cluster) await(what string, fits func(status.Event) bool) status.Event {
	c.b.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case e, ok := <-c.events:
			if !ok {
				c.b.Fatalf("the events ended before %s", what)
			}
			if fits(e) {
				return e
			}
		case <-late.C:
			c.b.Fatalf("no %s within %s\n%s", what, patience, c.run("bayplan status"))
		}
	}
}

// applied waits until a commit's end, which must be a good one.
func (c *cluster) applied(commit string) {
	c.b.Helper()
	e := c.await("the end of commit "+commit, func(e status.Event) bool {
		return e.Kind == "commit" && e.Commit == commit && !strings.Contains(e.Text, " by bench ")
	})
	if !strings.HasSuffix(e.Text, " is applied") {
		c.b.Fatal(e.Text)
	}
}

// settle waits until so many slots run and nothing else does, so that the next
// measurement begins in silence.
func (c *cluster) settle(slots int) {
	c.b.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		there, running := 0, 0
		for _, w := range c.status().Workloads {
			there, running = there+len(w.Slots), running+w.Running
		}
		if there == slots && running == slots {
			return
		}
		if time.Since(began) > patience {
			c.b.Fatalf("%d slots are there and %d run after %s, not %d", there, running, patience, slots)
		}
	}
}

func (c *cluster) status() (s status.Status) {
	c.b.Helper()
	if err := json.Unmarshal([]byte(c.run("bayplan status -o json")), &s); err != nil {
		c.b.Fatal(err)
	}
	return s
}

// run is a shell script's output; the script must succeed.
func (c *cluster) run(script string) string {
	c.b.Helper()
	ctx, cancel := context.WithTimeout(life, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-ec", script)
	cmd.Env = c.env
	out, err := cmd.Output()
	if err != nil {
		said := ""
		if exit, ok := err.(*exec.ExitError); ok {
			said = string(exit.Stderr)
		}
		c.b.Fatalf("%s: %v\n%s", script, err, said)
	}
	return strings.TrimSpace(string(out))
}

// commit writes the one team's file and commits it; it is not pushed yet.
func (c *cluster) commit(text string) string {
	c.b.Helper()
	if err := os.WriteFile(filepath.Join(c.clone, "hello", "web.cue"), []byte("package hello\n\n"+text), 0o644); err != nil {
		c.b.Fatal(err)
	}
	return c.run("cd '" + c.clone + "' && git commit -qam bench && git rev-parse HEAD")
}

// push pushes and returns when that began, and when the branch had moved.
func (c *cluster) push() (began, moved time.Time) {
	c.b.Helper()
	began = time.Now()
	c.run("cd '" + c.clone + "' && git push -q")
	ref, err := os.Stat(filepath.Join(c.dir, "repo.git", "refs", "heads", "main"))
	if err != nil {
		c.b.Fatal(err)
	}
	return began, ref.ModTime()
}

// pid is of the server or of an agent.
func (c *cluster) pid(name string) int {
	c.b.Helper()
	pid, err := strconv.Atoi(c.run("cat '" + filepath.Join(c.dir, "pid", name) + "'"))
	if err != nil {
		c.b.Fatal(err)
	}
	return pid
}

// web is a service of the demo's image.
func (c *cluster) web(name, tag string, replicas int, more string) string {
	return fmt.Sprintf(`workloads: %q: {
	kind:      "service"
	image:     "%s:%s"
	replicas:  %d
	resources: {cpu: "10m", memory: "8Mi", limit: {cpu: "1", memory: "64Mi"}}
	env: DRAIN: "0s"
	%s
}
`, name, c.image, tag, replicas, more)
}

// What web takes besides: a port of its own or one of the host's, and whether it
// is asked if it is well.
const (
	onBridge = `ports: http: container: 8080
	update: {maxSurge: 1, minHealthyTime: "0s"}
	`
	onHost = `network: "host"
	ports: http: {}
	`
	checked = `health: {http: {path: "/up", port: "http"}, interval: "1s"}
	`
)
