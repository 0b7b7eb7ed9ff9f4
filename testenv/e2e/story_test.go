package e2e

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// soon is what a newcomer waits for `bayplan dev`, on a machine that does
// nothing else; twice that fails the test, since this one may.
const soon = 5 * time.Second

// The README's first ten minutes, typed.
func TestE2E_TheFirstTenMinutes(t *testing.T) { onEach(t, theFirstTenMinutes) }

func theFirstTenMinutes(t *testing.T, on world) {
	d := startOn(t, on, t.TempDir())
	t.Logf("from start to healthy: %s", d.took)
	if d.took > 2*soon {
		t.Errorf("took %s, want %s", d.took, soon)
	}
	wantAnswers(t, d, "hello version 1")
	wantSpread(t, d)

	d.shell("cd " + d.clone + " && bayplan validate")
	if outcome := watched(t, d, func() string { return d.push(`sed -i 's,hello:1",hello:2",' hello/web.cue`) }); outcome != reconciler.Applied {
		t.Errorf("version 2: %s", outcome)
	}
	wantAnswers(t, d, "hello version 2")

	before := d.containers()
	if outcome := watched(t, d, func() string {
		return d.push(`sed -i -e 's,hello:2",hello:bad",' -e 's/healthyDeadline:.*/healthyDeadline: "5s"/' hello/web.cue`)
	}); outcome != reconciler.RolledBack {
		t.Errorf("version bad: %s", outcome)
	}
	wantAnswers(t, d, "hello version 2")
	d.eventually("end of the bad version's containers", func() bool { return len(d.containers()) == len(before) })

	for _, verb := range []string{"events", "explain hello/web.0", "logs hello/web", "node ls", "doctor", "exec hello/web.0 -- /hello check"} {
		d.shell("bayplan " + verb)
	}

	broken := d.push(`sed -i 's/replicas: .*/replicas: -1/' hello/web.cue`)
	if outcome := d.await(broken); outcome != reconciler.Failed {
		t.Errorf("replicas -1: %s", outcome)
	}
	wantAnswers(t, d, "hello version 2")

	removal := d.push(`git rm -q hello/web.cue`)
	if outcome := d.await(removal); outcome == reconciler.Held {
		d.shell("bayplan approve " + removal)
	} else if outcome != reconciler.Applied {
		t.Errorf("removal: %s", outcome)
	}
	d.eventually("end of every container", func() bool { return len(d.containers()) == 0 })
}

// watched pushes and waits for the commit's end; meanwhile no status may show
// fewer than three healthy slots, and each that it shows must answer.
func watched(t *testing.T, d *dev, push func() string) reconciler.Outcome {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `. "$D/env"; exec `+path+` status -w -o json`)
	cmd.Env = append(os.Environ(), "D="+d.dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for docs := json.NewDecoder(out); ; {
			var s status.Status
			if docs.Decode(&s) != nil {
				return
			}
			for _, w := range s.Workloads {
				if w.Healthy < 3 {
					t.Errorf("%s: %d healthy: %s", w.Name, w.Healthy, w.Reason)
				}
			}
		}
	}()
	outcome := d.await(push())
	cmd.Process.Kill()
	<-done
	cmd.Wait()
	return outcome
}

// wantAnswers asks every slot of hello/web, by its container and by its node's port.
func wantAnswers(t *testing.T, d *dev, want string) {
	t.Helper()
	s := d.status()
	answered := 0
	for _, w := range s.Workloads {
		for _, slot := range w.Slots {
			if slot.Stopping || slot.Phase != nodes.Running {
				continue
			}
			url := "http://" + net.JoinHostPort(slot.Address, strconv.Itoa(slot.Ports["http"])) + "/"
			resp, err := http.Get(url)
			if err != nil {
				t.Errorf("%s: %v", slot.Slot, err)
				continue
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if text := want + " from " + slot.Slot + " on " + slot.Node; strings.TrimSpace(string(body)) != text {
				t.Errorf("%s says %q, want %q", url, body, text)
			}
			answered++
		}
	}
	if answered < 3 {
		t.Errorf("%d slots answer, want 3", answered)
	}
}

// wantSpread wants the three slots on three nodes.
func wantSpread(t *testing.T, d *dev) {
	t.Helper()
	on := map[string]bool{}
	for _, w := range d.status().Workloads {
		for _, slot := range w.Slots {
			on[slot.Node] = true
		}
	}
	if len(on) != 3 {
		t.Errorf("slots on %d nodes, want 3", len(on))
	}
}

func TestE2E_KillsRestartNoContainer(t *testing.T) { onEach(t, killsRestartNoContainer) }

func killsRestartNoContainer(t *testing.T, on world) {
	d := startOn(t, on, t.TempDir())
	before := d.containers()
	commit := d.push(`sed -i 's,hello:1",hello:2",' hello/web.cue`)
	for _, name := range []string{"server", "n1", "n2", "n3", "server"} {
		d.kill(name)
	}
	d.answers()
	if outcome := d.await(commit); outcome != reconciler.Applied {
		t.Errorf("outcome %s", outcome)
	}
	after := d.containers()
	for id, x := range before {
		if y, there := after[id]; there && x != y {
			t.Errorf("container %.12s restarted: %s, now %s", id, x, y)
		}
	}
	d.eventually("three containers", func() bool { after = d.containers(); return len(after) == 3 })
	for _, name := range []string{"server", "n1", "n2", "n3"} {
		d.kill(name)
	}
	d.answers()
	d.eventually("nodes that are heard", func() bool {
		heard := 0
		for _, n := range d.status().Nodes {
			if n.State == "ready" {
				heard++
			}
		}
		return heard == 3
	})
	if now := d.containers(); !maps.Equal(now, after) {
		t.Errorf("after the kills %v\nbefore %v", now, after)
	}
}

func TestE2E_KilledDevIsTakenUpAgain(t *testing.T) { onEach(t, killedDevIsTakenUpAgain) }

func killedDevIsTakenUpAgain(t *testing.T, on world) {
	dir := t.TempDir()
	d := startOn(t, on, dir)
	before := d.containers()
	var pids []int
	for _, name := range []string{"server", "n1", "n2", "n3"} {
		pid, err := strconv.Atoi(d.shell("cat " + filepath.Join(dir, "pid", name)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	cmd := d.cmd
	d.cmd = nil // it is not stopped any more
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-d.gone
	for _, pid := range pids {
		d.eventually("end of a child", func() bool { return !alive(pid) })
	}
	again := startOn(t, on, dir)
	if now := again.containers(); !maps.Equal(now, before) {
		t.Errorf("taken up %v\nbefore %v", now, before)
	}
}

// A reader that has seen enough, or a terminal that is closed, ends dev in order.
func TestE2E_DevWithoutItsReaderLeavesNothing(t *testing.T) { onEach(t, devWithoutItsReader) }

func devWithoutItsReader(t *testing.T, on world) {
	needs(t, on)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{t: t, on: on, dir: t.TempDir()}
	d.cmd = exec.Command(path, "dev", "--dir", d.dir, "--runtime", on.runtime())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	d.cmd.Stdout = w
	if err := d.cmd.Run(); err == nil || d.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("ended with %v, want exit code 1", err)
	}
	w.Close()
	if left := d.containers(); len(left) > 0 {
		t.Errorf("containers left: %v", left)
	}
}
