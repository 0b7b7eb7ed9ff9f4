package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/reconciler"
)

// I9: nodes of two clusters on one machine, with the same names and workloads,
// have each their own containers, and leave those of the other, its network and
// what somebody else runs alone: in a deployment, kills, a removal and an end.
func TestE2E_OneMachineManyOwners(t *testing.T) {
	d := startOn(t, builtIn{}, t.TempDir())
	strange := strangeGroup(t)
	other := buildOn(t, builtIn{})
	other.up(1)
	other.put("hello/web", serves)
	other.wantOutcome(other.commit("the same name in another cluster"), reconciler.Applied)
	theirs := other.containers()
	untouched := func(when string) {
		t.Helper()
		wantSame(t, when+": the other cluster", theirs, other.containers())
		for _, url := range served(other) {
			if said, err := exec.Command("curl", "-sS", "--max-time", "5", url).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v: %s", when, url, err, said)
			}
		}
		if !strange.running() {
			t.Errorf("%s: a stranger in a group beside them has ended", when)
		}
	}
	untouched("beside each other")

	d.write("hello/calm.cue", d.named(killsCalm, ""))
	d.write("hello/web.cue", d.named(killsWeb, "2"))
	d.wantOutcome(d.commit("more, and an update"), reconciler.Applied)
	untouched("after an update")
	other.agents["n1"].kill()
	d.killAll([]string{"n1", "n2", "n3"})
	untouched("without the agents")
	other.startAgent("n1", 1)
	d.wantOutcome(d.push("git rm -q hello/web.cue"), reconciler.Applied)
	d.eventually("end of hello/web", func() bool { return len(d.of("hello/web")) == 0 })
	untouched("after a removal")
	d.stop()
	untouched("after the end of dev")
}

// serves is a service that answers at its port.
const serves = `
	image: "IMAGE"
	args: ["serve", "8080", "sleep"]
	replicas: 2
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "1s"}
	resources: {cpu: "20m", memory: "16Mi"}
	update: minHealthyTime: "0s"
	stop: grace: "3s"
`

// served are the addresses of all that a site's slots serve.
func served(s *site) (urls []string) {
	for _, w := range s.status().Workloads {
		for _, x := range w.Slots {
			urls = append(urls, "http://"+net.JoinHostPort(x.Address, strconv.Itoa(x.Ports["http"]))+"/up")
		}
	}
	return urls
}

// strangeGroup is a process in a control group beside those of the nodes.
func strangeGroup(t *testing.T) *process {
	t.Helper()
	dir := filepath.Join(groupRoot(t), "bayplan", fmt.Sprintf("stranger-%d", os.Getpid()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := spawn(t, "stranger", exec.Command("sleep", "600"))
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(p.cmd.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if err := cgroup.Remove("/bayplan/" + filepath.Base(dir)); err != nil {
			t.Error(err)
		}
	})
	return p
}

// A machine without Docker needs nothing: auto takes the built-in runtime, whose
// node stays with it when an Engine appears.
func TestE2E_NothingInstalled(t *testing.T) {
	on := builtIn{}
	needs(t, on)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	before, dir := installed(), t.TempDir()
	d := startAs(t, on, dir, bare(path, "dev", "--dir", dir))
	wantAnswers(t, d, "hello version 1")
	running := d.containers()
	if len(running) != 3 {
		t.Errorf("%d containers", len(running))
	}
	for _, n := range d.status().Nodes {
		if !strings.HasPrefix(n.Runtime, "native") {
			t.Errorf("%s runs %s", n.Name, n.Runtime)
		}
	}
	if after := installed(); after != before {
		t.Errorf("packages were installed:\n%s\nbefore\n%s", after, before)
	}

	cmd := d.cmd
	d.cmd = nil // it is not stopped any more
	cmd.Process.Kill()
	<-d.gone
	again := startAs(t, on, dir, exec.Command(path, "dev", "--dir", dir)) // an Engine may answer now
	wantSame(t, "taken up again", running, again.containers())
}

// bare is a program that finds nothing but Git, and no Engine.
func bare(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "PATH=") || strings.HasPrefix(kv, "DOCKER_")
	})
	git, _ := exec.LookPath("git")
	cmd.Env = append(cmd.Env, "DOCKER_HOST=unix:///nowhere/docker.sock", "PATH="+filepath.Dir(path)+":"+onlyGit(filepath.Dir(path), git))
	return cmd
}

// onlyGit is a folder with nothing but git.
func onlyGit(dir, git string) string {
	bin := filepath.Join(dir, "bare")
	_ = os.MkdirAll(bin, 0o755)
	_ = os.Symlink(git, filepath.Join(bin, "git"))
	return bin
}

// installed is every package of the machine.
func installed() string {
	out, _ := exec.Command("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n").Output()
	return string(out)
}

// A plain go build has no monitor in it; it stands in for that itself.
func TestE2E_PlainBuildRunsContainers(t *testing.T) {
	on := builtIn{}
	needs(t, on)
	path := plainBuild(t)
	dir := t.TempDir()
	d := startAs(t, on, dir, bare(path, "dev", "--dir", dir, "--nodes", "1"))
	if n := len(d.containers()); n != 3 {
		t.Errorf("%d containers", n)
	}
	d.shell("bayplan exec hello/web.0 -- /hello check")
}

// plainBuild is the binary as `go build` makes it of a fresh clone, where nothing
// was put into the folder for prebuilt monitors.
func plainBuild(t *testing.T) string {
	t.Helper()
	const pkg = "github.com/bayplan/bayplan/cmd/bayplan/internal/monitor"
	folder := strings.TrimSpace(run(t, "go", "list", "-f", "{{.Dir}}", pkg))
	packed, _ := filepath.Glob(filepath.Join(folder, "prebuilt", "*.gz"))
	gone := []string{}
	for _, path := range packed {
		gone = append(gone, strconv.Quote(path)+`: ""`)
	}
	dir := t.TempDir()
	overlay, path := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "bayplan")
	writeFile(t, overlay, `{"Replace": {`+strings.Join(gone, ",")+`}}`)
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", path, "github.com/bayplan/bayplan/cmd/bayplan").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// A node stays with the runtime that it began with, so that an Engine that comes
// later has nothing run a second time.
func TestE2E_NodeStaysWithItsRuntime(t *testing.T) {
	needs(t, dockerEngine{})
	s := buildOn(t, builtIn{})
	s.startServer()
	t.Cleanup(s.sweep)
	s.startAgent("n1", 1, "--runtime", "auto", "--docker-host", "unix:///nowhere/docker.sock")
	s.eventually("the node", func() bool { return ready(s.status()) == 1 })
	s.put("shop/web", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()

	s.agents["n1"].kill()
	s.startAgent("n1", 1, "--runtime", "docker")
	if code := s.agents["n1"].ends(); code != 1 {
		t.Errorf("an agent with another runtime: exit code %d, want 1", code)
	}
	s.agents["n1"].wantSaid("cannot go from the runtime native to docker: what it still has there (1 containers)", "next: start the agent with --runtime native")
	wantSame(t, "with an agent that was refused", running, s.containers())
	s.startAgent("n1", 1, "--runtime", "auto")
	s.put("shop/more", sleeper)
	s.wantOutcome(s.commit("more, with an Engine in reach"), reconciler.Applied)
	wantSame(t, "shop/web", running, s.of("shop/web"))
	if n := len(s.of("shop/more")); n != 1 {
		t.Errorf("%d of shop/more on the built-in runtime", n)
	}
	if there := (dockerEngine{}).containers(t, s.dev); len(there) > 0 {
		t.Errorf("on the Engine: %v", there)
	}
}
