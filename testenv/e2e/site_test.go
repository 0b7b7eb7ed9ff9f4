package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/image"
)

// site is a cluster put together by hand, as on real machines: a server and
// agents, each a process of the test, and a registry with the test program. Its
// folder looks like that of `bayplan dev`, so all that a dev can do it can too.
type site struct {
	*dev
	// root is the test that the processes end with; t may be a subtest of it.
	root     *testing.T
	binary   string
	registry *image.Registry
	server   *process
	agents   map[string]*process
	// addresses are the agents'.
	addresses map[string]string
	// net is "127.x.y", from which each node has an address of its own, so that
	// no two clusters on this machine publish ports on the same.
	net     string
	listen  string
	dataDir string
	// repo is what the server follows, flags are its others.
	repo  string
	flags []string
}

// build makes a site's folder, repository and registry, for nodes with a Docker
// Engine; nothing runs yet.
func build(t *testing.T) *site {
	t.Helper()
	return buildOn(t, dockerEngine{})
}

func buildOn(t *testing.T, on world) *site {
	t.Helper()
	needs(t, on)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &site{
		dev:  &dev{t: t, on: on, dir: dir, clone: filepath.Join(dir, "clone")},
		root: t, binary: path, registry: image.NewRegistry(t), agents: map[string]*process{}, addresses: map[string]string{},
		net: fmt.Sprintf("127.%d.%d", 10+rand.IntN(200), rand.IntN(256)), listen: freeAddress(t),
		dataDir: filepath.Join(dir, "server"), repo: "file://" + filepath.Join(dir, "repo.git"),
	}
	s.dev.image = s.store("1")
	run(t, "git", "init", "-q", "--bare", "-b", "main", filepath.Join(dir, "repo.git"))
	run(t, "git", "clone", "-q", filepath.Join(dir, "repo.git"), s.clone)
	run(t, "git", "-C", s.clone, "config", "user.name", "e2e")
	run(t, "git", "-C", s.clone, "config", "user.email", "e2e@example.invalid")
	return s
}

// store puts a version of the test program into the registry and returns its
// name by tag. The engine forgets it with the test.
func (s *site) store(version string) string {
	s.t.Helper()
	ref := s.registry.Push(s.root, "test/program:"+version, image.Program(s.root, version))
	if s.on.runtime() == "docker" {
		s.root.Cleanup(func() { exec.Command("docker", "rmi", "-f", ref).Run() })
	}
	return s.registry.Addr() + "/test/program:" + version
}

// freeAddress is a port of 127.0.0.1 below those that the kernel lends to
// outgoing connections, so that a server that restarts finds it free.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(10000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// up starts the server and so many agents, n1 and on.
func (s *site) up(nodes int) {
	s.t.Helper()
	s.startServer()
	s.t.Cleanup(s.sweep)
	for i := 1; i <= nodes; i++ {
		s.startAgent(fmt.Sprintf("n%d", i), i)
	}
	s.eventually("nodes that are ready", func() bool { return ready(s.status()) == nodes })
}

func ready(st status.Status) (n int) {
	for _, x := range st.Nodes {
		if x.State == "ready" {
			n++
		}
	}
	return n
}

// healthy is how many slots of a workload are.
func healthy(st status.Status, workload string) int {
	for _, w := range st.Workloads {
		if w.Name == workload {
			return w.Healthy
		}
	}
	return 0
}

func (s *site) serverCommand() *exec.Cmd {
	return exec.Command(s.binary, append([]string{"server", "--name", "e2e", "--data-dir", s.dataDir, "--listen", s.listen,
		"--repo", s.repo, "--allow", "host-network,host-volumes,devices", "--ready-file", filepath.Join(s.dir, "server.ready")}, s.flags...)...)
}

// startServer returns once it serves and D/env leads to it.
func (s *site) startServer() {
	s.t.Helper()
	os.Remove(filepath.Join(s.dir, "server.ready"))
	s.server = spawn(s.root, "server", s.serverCommand())
	var ready struct{ Server, CA, Cert, Key string }
	s.eventually("server that serves", func() bool {
		if !s.server.running() {
			s.t.Fatalf("the server ended:\n%s", s.server.tail(15))
		}
		b, err := os.ReadFile(filepath.Join(s.dir, "server.ready"))
		return err == nil && json.Unmarshal(b, &ready) == nil
	})
	env := fmt.Sprintf("export BAYPLAN_SERVER='%s' BAYPLAN_CA='%s' BAYPLAN_CERT='%s' BAYPLAN_KEY='%s' PATH='%s':\"$PATH\"\n",
		ready.Server, ready.CA, ready.Cert, ready.Key, filepath.Dir(s.binary))
	if err := os.WriteFile(filepath.Join(s.dir, "env"), []byte(env), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// startAgent starts a node at an address of its own; it joins if it has not yet.
func (s *site) startAgent(name string, i int, flags ...string) {
	s.t.Helper()
	address := fmt.Sprintf("%s.%d", s.net, i)
	args := []string{"agent", "--node", name, "--data-dir", filepath.Join(s.dir, name), "--address", address, "--publish", address,
		"--runtime", s.on.runtime()}
	if _, err := os.Stat(filepath.Join(s.dir, name, "identity.json")); err != nil {
		args = append(args, "--join", s.shell("bayplan node token"))
	}
	s.addresses[name] = address
	s.agents[name] = spawn(s.root, name, exec.Command(s.binary, append(args, flags...)...))
}

// sweep removes what the cluster's agents started.
func (s *site) sweep() {
	for _, p := range s.agents {
		p.kill()
	}
	s.on.sweep(s)
}

// in is the site for a subtest.
func (s *site) in(t *testing.T) *site {
	sub := *s
	sub.dev = s.dev.in(t)
	return &sub
}

// sleeper is the fields of a service that just runs.
const sleeper = `
	image: "IMAGE"
	args: ["sleep"]
	resources: {cpu: "20m", memory: "16Mi"}
	update: {minHealthyTime: "0s", progressDeadline: "PROGRESS"}
	stop: grace: "3s"
`

// exits is one that ends at once, over and over.
const exits = `
	image: "IMAGE"
	args: ["exit", "3"]
	resources: {cpu: "20m", memory: "16Mi"}
	restart: backoff: "200ms"
	update: {minHealthyTime: "2s", healthyDeadline: "20s", progressDeadline: "30s"}
`

// put writes a service of these fields, "team/name", into a file of its own.
// IMAGE in them is the test program, PROGRESS half a minute.
func (s *site) put(name, fields string) {
	s.t.Helper()
	s.putKind(name, "service", fields)
}

func (s *site) putKind(name, kind, fields string) {
	s.t.Helper()
	team, workload, _ := strings.Cut(name, "/")
	fields = strings.NewReplacer("IMAGE", s.image, "PROGRESS", "30s").Replace(fields)
	s.write(name+".cue", "package "+team+"\n\nworkloads: "+workload+": {\n\tkind: \""+kind+"\""+fields+"}\n")
}
