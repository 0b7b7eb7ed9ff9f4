package runtimetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
	"github.com/bayplan/bayplan/schema"
)

// insides are about what a program finds and what becomes of it: they need a
// real one.
var insides = []contract{
	{"Program_FindsItsEnvironment", environment},
	{"Program_IsTheCommandGiven", commandGiven},
	{"Program_ThatIsNotThere", commandMissing},
	{"Program_IsReachedAtBothAddresses", reached},
	{"Program_OnTheHostsNetwork", onHost},
	{"Program_SharesANetwork", sharesNetwork},
	{"Program_HearsTheSignalAsked", signalAsked},
	{"Program_OverItsMemoryIsToldAsSuch", overMemory},
	{"Program_ThatForksIsStopped", overPids},
	{"Program_OpensSoManyFiles", overFiles},
	{"Root_IsReadOnlyOnDemand", readOnlyRoot},
	{"Volume_OutlivesItsContainer", volumeSurvives},
	{"Volume_IsOfOneSlotOnly", volumeOfSlot},
	{"Volume_IsDeletedByItsSlotAlone", volumeDeleted},
	{"Program_FindsItsFellows", fellows},
	{"HostVolume_IsSharedBySlots", hostVolumeShared},
	{"HostVolume_IsReadOnlyAsDeclared", hostVolumeReadOnly},
	{"HostVolume_ThatCannotBe", hostVolumeRefused},
	{"Exec_SeparatesErrors", execStderr},
	{"Exec_OnATerminal", execTerminal},
	{"Exec_OfAFormerAgentIsEnded", execOfFormer},
}

func environment(r *rig) {
	c := r.container("job", 0, "env", "GREETING", "env", "EXTRA", "env", "VERSION", "whoami")
	c.Workload.Env = map[string]string{"GREETING": "hello world"}
	c.Workload.User, c.Workload.Workdir = "app", "/tmp"
	c.Env = map[string]string{"EXTRA": "of the agent"}
	r.run(c)
	r.awaitExit(c.ID)
	lines := strings.Split(r.logs(c.ID, agent.LogOptions{Tail: -1}), "\n")
	if len(lines) < 4 || lines[0] != "hello world" || lines[1] != "of the agent" || lines[2] == "" || lines[3] != "1000:1000 /tmp" {
		r.Errorf("it found %q", lines)
	}
}

func commandGiven(r *rig) {
	c := r.container("job", 0, "exit", "9")
	c.Workload.Command, c.Workload.Args = []string{steps.Path, "exit"}, []string{"4"}
	r.run(c)
	if s := r.awaitExit(c.ID); s.ExitCode != 4 {
		r.Errorf("it exited with %d, want 4", s.ExitCode)
	}
}

// commandMissing holds for engines that see it at the start and for those whose
// container starts with an init of its own and ends at once.
func commandMissing(r *rig) {
	c := r.container("job", 0, "sleep")
	c.Workload.Command = []string{"/no/such/program"}
	r.must(r.Pull(r.ctx, image(c.Workload)))
	if _, err := r.Start(r.ctx, c); err != nil {
		r.wantFailure(err, nodes.CommandNotFound)
		return
	}
	s := r.awaitExit(c.ID)
	if s.ExitCode != 127 || !strings.Contains(s.Error, "/no/such/program") {
		r.Errorf("it exited with %d and says %q", s.ExitCode, s.Error)
	}
}

func reached(r *rig) {
	c := r.container("web", 0, "serve", "8080", "echo", "serving", "sleep")
	c.Workload.Ports = map[string]schema.Port{"http": {Container: 8080, Protocol: "tcp"}}
	c.Ports = map[string]int{"http": r.FreePort(r.T)}
	s := r.run(c)
	r.awaitLog(c.ID, "serving\n")
	for _, address := range []string{fmt.Sprintf("%s:8080", s.Address), fmt.Sprintf("127.0.0.1:%d", s.Ports["http"])} {
		if got, err := get(r.ctx, "http://"+address+"/up"); err != nil || got != "/up" {
			r.Errorf("%s answers %q, %v", address, got, err)
		}
	}
}

// onHost listens on the node's port itself.
func onHost(r *rig) {
	port := r.FreePort(r.T)
	c := r.container("web", 0, "serve", strconv.Itoa(port), "echo", "serving", "sleep")
	c.Workload.Network = schema.Host
	c.Workload.Ports = map[string]schema.Port{"http": {Protocol: "tcp"}}
	c.Ports = map[string]int{"http": port}
	s := r.run(c)
	r.awaitLog(c.ID, "serving\n")
	if got, err := get(r.ctx, fmt.Sprintf("http://127.0.0.1:%d/up", s.Ports["http"])); err != nil || got != "/up" {
		r.Errorf("port %d answers %q, %v", s.Ports["http"], got, err)
	}
}

func get(ctx context.Context, url string) (string, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// sharesNetwork: a port that one container listens on is taken for another that
// joins it, in each of its lives, and free for one that does not.
func sharesNetwork(r *rig) {
	first := r.container("first", 0, "serve", "8080", "sleep")
	beside := r.container("beside", 0, "serve", "8080", "sleep")
	beside.Join = first.ID
	if _, err := r.Start(r.ctx, beside); err == nil {
		r.Error("it joined what does not run")
	}
	for range 2 {
		r.run(first)
		r.await(first.ID, "serving", r.serves(8080))
		r.run(beside)
		if s := r.awaitExit(beside.ID); s.ExitCode == 0 {
			r.Error("it served at a port that the other one has")
		}
		r.must(r.Stop(r.ctx, first.ID, "SIGTERM", patience))
	}
	apart := r.container("apart", 0, "serve", "8080", "sleep")
	r.run(first)
	r.run(apart)
	r.await(apart.ID, "serving", r.serves(8080))
}

// serves is whether a container answers at its own address.
func (r *rig) serves(port int) func(*agent.Status) bool {
	return func(s *agent.Status) bool {
		for s.State == agent.StateRunning && r.ctx.Err() == nil {
			if _, err := get(r.ctx, fmt.Sprintf("http://%s/", net.JoinHostPort(s.Address, strconv.Itoa(port)))); err == nil {
				return true
			}
		}
		return false
	}
}

func signalAsked(r *rig) {
	c := r.container("web", 0, "echo", "up", "sleep")
	r.run(c)
	r.awaitLog(c.ID, "up\n")
	r.must(r.Stop(r.ctx, c.ID, "SIGUSR1", patience))
	if got := r.logs(c.ID, agent.LogOptions{Tail: 1}); got != "SIGUSR1\n" {
		r.Errorf("it heard %q", got)
	}
}

func overMemory(r *rig) {
	c := r.container("job", 0, "oom")
	c.Workload.Resources.Limit.Memory = 16 << 20
	r.run(c)
	if s := r.awaitExit(c.ID); s.ExitCode != 137 || !s.OOM { // seen as ended, it is seen with its cause
		r.Errorf("it exited as %+v", s)
	}
}

// overPids leaves room for the program's own threads.
func overPids(r *rig) {
	c := r.container("job", 0, "fork", "100")
	c.Workload.Resources.Limit.Pids = 50
	r.run(c)
	r.awaitExit(c.ID)
	var n int
	if _, err := fmt.Sscanf(r.logs(c.ID, agent.LogOptions{Tail: 1}), "forked %d", &n); err != nil || n == 0 || n > 50 {
		r.Errorf("with 50 tasks it forked %d times, %v", n, err)
	}
}

func overFiles(r *rig) {
	c := r.container("job", 0, "read", "/proc/self/limits")
	c.Workload.Resources.Limit.Files = 4321
	r.run(c)
	r.awaitExit(c.ID)
	if got := r.logs(c.ID, agent.LogOptions{Tail: -1}); !regexp.MustCompile(`Max open files +4321 +4321 `).MatchString(got) {
		r.Errorf("its limits are\n%s", got)
	}
}

// readOnlyRoot writes to its tmpfs, and fails to write beside it.
func readOnlyRoot(r *rig) {
	c := r.container("job", 0, "write", "/run/x", "kept", "read", "/run/x", "write", "/x", "lost")
	c.Workload.ReadOnlyRoot = true
	c.Workload.Tmpfs = map[string]schema.Tmpfs{"run": {Path: "/run", Size: 1 << 20}}
	r.run(c)
	s := r.awaitExit(c.ID)
	got := r.logs(c.ID, agent.LogOptions{Tail: -1})
	if s.ExitCode != 1 || !strings.Contains(got, "kept\n") || !strings.Contains(got, "read-only") {
		r.Errorf("it exited with %d after %q", s.ExitCode, got)
	}
}

func fellows(r *rig) {
	c := r.container("db", 1, "env", "HOSTNAME", "read", "/etc/hosts")
	c.Hostname, c.Hosts = "db-1", []agent.HostName{{Name: "db-0", Address: "192.0.2.1"}}
	for _, at := range []string{"192.0.2.1", "192.0.2.7"} {
		c.Hosts[0].Address = at
		r.run(c)
		r.awaitExit(c.ID)
		lines := strings.Split(r.logs(c.ID, agent.LogOptions{Tail: -1}), "\n")
		found := slices.ContainsFunc(lines, func(l string) bool { return slices.Equal(strings.Fields(l), []string{at, "db-0"}) })
		if !found || lines[0] != "db-1" {
			r.Errorf("it is called %q and finds\n%s", lines[0], strings.Join(lines, "\n"))
		}
	}
}
