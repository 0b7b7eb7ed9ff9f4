package runtimetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
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

func withVolume(c agent.Container) agent.Container {
	c.Workload.Volumes = map[string]schema.Volume{"data": {Path: "/data"}}
	return instance(c.Workload, c.Slot.Index)
}

func volumeSurvives(r *rig) {
	writer := withVolume(r.container("db", 0, "write", "/data/x", "kept"))
	r.run(writer)
	if s := r.awaitExit(writer.ID); s.ExitCode != 0 {
		r.Fatalf("writing: %+v %s", s, r.logs(writer.ID, agent.LogOptions{Tail: -1}))
	}
	r.must(r.Remove(r.ctx, writer.ID))
	reader := withVolume(r.container("db", 0, "read", "/data/x"))
	r.run(reader)
	r.awaitExit(reader.ID)
	if got := r.logs(reader.ID, agent.LogOptions{Tail: -1}); got != "kept\n" {
		r.Errorf("after its container was removed the volume holds %q", got)
	}
}

func volumeOfSlot(r *rig) {
	writer := withVolume(r.container("db", 0, "write", "/data/x", "kept"))
	r.run(writer)
	r.awaitExit(writer.ID)
	other := withVolume(r.container("db", 1, "read", "/data/x"))
	r.run(other)
	if s := r.awaitExit(other.ID); s.ExitCode != 1 {
		r.Errorf("slot 1 reads slot 0's volume: %+v", s)
	}
}

func volumeDeleted(r *rig) {
	kept := withVolume(r.container("db", 1, "write", "/data/x", "kept"))
	writer := withVolume(r.container("db", 0, "write", "/data/x", "old"))
	for _, c := range []agent.Container{kept, writer} {
		r.run(c)
		r.awaitExit(c.ID)
	}
	if err := r.RemoveVolumes(r.ctx, writer.Slot); err == nil {
		r.Error("the volume of a container that is there was deleted")
	}
	for _, c := range []agent.Container{kept, writer} {
		r.must(r.Remove(r.ctx, c.ID))
	}
	for range 2 { // what is gone already is no error
		r.must(r.RemoveVolumes(r.ctx, writer.Slot))
	}
	for want, slot := range map[int]int{1: 0, 0: 1} {
		reader := withVolume(r.container("db", slot, "read", "/data/x"))
		r.run(reader)
		if s := r.awaitExit(reader.ID); s.ExitCode != want {
			r.Errorf("slot %d, after the volumes of slot 0 were deleted: reading ends with %d, want %d", slot, s.ExitCode, want)
		}
	}
}

// fellows are found by their names, as they are when a life begins.
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

func withHostVolume(c agent.Container, name string, readOnly bool) agent.Container {
	c.Workload.Volumes = map[string]schema.Volume{"data": {Path: "/data", Host: name, ReadOnly: readOnly}}
	return instance(c.Workload, c.Slot.Index)
}

func hostVolumeShared(r *rig) {
	writer := withHostVolume(r.container("web", 0, "write", "/data/x", "seen"), "shared", false)
	r.run(writer)
	if s := r.awaitExit(writer.ID); s.ExitCode != 0 {
		r.Fatalf("writing: %+v %s", s, r.logs(writer.ID, agent.LogOptions{Tail: -1}))
	}
	reader := withHostVolume(r.container("web", 1, "read", "/data/x"), "fixed", true)
	r.run(reader)
	r.awaitExit(reader.ID)
	if got := r.logs(reader.ID, agent.LogOptions{Tail: -1}); got != "seen\n" {
		r.Errorf("another slot reads %q", got)
	}
	r.must(r.Remove(r.ctx, writer.ID))
	if _, err := os.Stat(filepath.Join(r.HostVolume, "x")); err != nil {
		r.Errorf("on the node: %v", err)
	}
}

func hostVolumeReadOnly(r *rig) {
	for _, name := range []string{"shared", "fixed"} {
		c := withHostVolume(r.container(name, 0, "write", "/data/y", "lost"), name, true)
		r.run(c)
		s := r.awaitExit(c.ID)
		if got := r.logs(c.ID, agent.LogOptions{Tail: -1}); s.ExitCode != 1 || !strings.Contains(got, "read-only") {
			r.Errorf("%s: it exited with %d after %q", name, s.ExitCode, got)
		}
	}
}

// hostVolumeRefused leaves nothing behind but the reason.
func hostVolumeRefused(r *rig) {
	for name, readOnly := range map[string]bool{"fixed": false, "unknown": true} {
		c := withHostVolume(r.container(name, 0, "sleep"), name, readOnly)
		r.must(r.Pull(r.ctx, image(c.Workload)))
		_, err := r.Start(r.ctx, c)
		if f := r.wantFailure(err, nodes.VolumeUnavailable); !strings.Contains(f.Text, name) {
			r.Errorf("%s: it says %q", name, f.Text)
		}
	}
	if left := r.list(); len(left) > 0 {
		r.Errorf("there are %+v", left)
	}
}

func execStderr(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	var out, errs bytes.Buffer
	code, err := r.Exec(r.ctx, c.ID, agent.Exec{Command: []string{steps.Path, "echo", "out", "complain", "err", "exit", "2"}, Stdout: &out, Stderr: &errs})
	if err != nil || code != 2 || out.String() != "out\n" || errs.String() != "err\n" {
		r.Errorf("%d, %v, %q, %q", code, err, out.String(), errs.String())
	}
}

// execTerminal types a line, so that the size has arrived when it is asked for.
func execTerminal(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	resize := make(chan agent.Size, 1)
	resize <- agent.Size{Rows: 33, Cols: 99}
	var out bytes.Buffer
	code, err := r.Exec(r.ctx, c.ID, agent.Exec{Command: []string{steps.Path, "terminal"}, TTY: true, Stdout: &out, Resize: resize})
	if err != nil || code != 0 || !strings.HasPrefix(out.String(), "terminal ") {
		r.Errorf("%d, %v, %q", code, err, out.String())
	}
}
