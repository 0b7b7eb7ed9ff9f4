package docker_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/docker"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/engine"
	"github.com/bayplan/bayplan/testenv/image"
)

const loaded = "bayplan.test/program:1"

// engineOfOurOwn has the test image, and a runtime with little patience.
func engineOfOurOwn(t *testing.T, args ...string) (*engine.Engine, *docker.Runtime) {
	t.Helper()
	e := engine.New(t, args...)
	e.Load(loaded, image.Program(t, "1"))
	return e, open(t, docker.Config{Host: e.Host(), Cluster: "c", Node: "n", Patience: 200 * time.Millisecond})
}

func instance(ref, name string, index int, steps ...string) agent.Container {
	w := &schema.Workload{Name: "team/" + name, Kind: schema.Service, Image: ref, Args: steps}
	slot := schema.Slot{Workload: w.Name, Index: index}
	return agent.Container{ID: nodes.InstanceID(slot, w.Digest()), Slot: slot, Digest: w.Digest(), Workload: w}
}

func start(t *testing.T, r *docker.Runtime, c agent.Container) agent.Status {
	t.Helper()
	s, err := r.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantCode(t *testing.T, err error, want nodes.FailureCode) {
	t.Helper()
	e, ok := errors.AsType[*agent.Error](err)
	if !ok || e.Failure.Code != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	t.Logf("%s: %s", want, e.Failure.Text)
}

// one is the only container of the node.
func one(t *testing.T, r *docker.Runtime) agent.Status {
	t.Helper()
	all, err := r.List(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("listed %+v, %v; want one", all, err)
	}
	return all[0]
}

// watching follows the engine; the first word has come, and the channel yields
// how Watch ended.
func watching(t *testing.T, r *docker.Runtime) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	first, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		told := false
		ended <- r.Watch(ctx, func(string) {
			if !told {
				close(first)
			}
			told = true
		})
	}()
	t.Cleanup(cancel)
	select {
	case <-first:
	case err := <-ended:
		t.Fatalf("Watch: %v", err)
	}
	return ended
}

// I11: a restarted engine that keeps its containers changes nothing.
func TestEngine_KilledAndRestartedWithLiveRestore(t *testing.T) {
	e, r := engineOfOurOwn(t, "--live-restore")
	web := start(t, r, instance(loaded, "web", 0, "sleep"))
	job := start(t, r, instance(loaded, "job", 0, "sleep"))
	init := processOf(t, e, job)
	ended := watching(t, r)
	e.Kill()
	wantCode(t, <-ended, nodes.EngineDown)
	if err := syscall.Kill(init, syscall.SIGKILL); err != nil { // it ends while nobody sees it
		t.Fatal(err)
	}
	_, err := r.List(t.Context())
	wantCode(t, err, nodes.EngineDown)
	wantCode(t, r.Stop(t.Context(), web.ID, "SIGTERM", time.Second), nodes.EngineDown)
	wantCode(t, r.Pull(t.Context(), loaded), nodes.EngineDown)
	_, err = r.Info(t.Context())
	wantCode(t, err, nodes.EngineDown)
	_, err = r.Start(t.Context(), instance(loaded, "web", 1, "sleep"))
	wantCode(t, err, nodes.EngineDown)

	e.Start()
	watching(t, r)
	if _, err := r.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := r.List(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("after the restart %+v, %v", all, err)
	}
	if s := all[0]; s.State != agent.StateExited || s.Container != job.Container || s.ExitCode != 137 || s.OOM {
		t.Errorf("what ended meanwhile is %+v", s)
	}
	if s := all[1]; s.State != agent.StateRunning || s.Container != web.Container || !s.Started.Equal(web.Started) || s.Address != web.Address {
		t.Errorf("after the restart\n%+v was\n%+v", s, web)
	}
}

// processOf is the first process of a container, as this machine numbers it.
func processOf(t *testing.T, e *engine.Engine, s agent.Status) int {
	t.Helper()
	box, err := e.Client().ContainerInspect(t.Context(), s.Container, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return box.Container.State.Pid
}

func TestEngine_RestartedWithoutLiveRestore(t *testing.T) {
	e, r := engineOfOurOwn(t)
	c := instance(loaded, "web", 0, "echo", "up", "sleep")
	web := start(t, r, c)
	e.Stop()
	e.Start()
	if s := one(t, r); s.State != agent.StateExited || s.Container != web.Container {
		t.Errorf("after the restart %+v", s)
	}
	if s := start(t, r, c); s.Container != web.Container || !s.Started.After(web.Started) {
		t.Errorf("started again\n%+v was\n%+v", s, web)
	}
}

func TestEngine_ThatHangsIsDown(t *testing.T) {
	e, r := engineOfOurOwn(t)
	web := start(t, r, instance(loaded, "web", 0, "sleep"))
	ended := watching(t, r)
	e.Freeze()
	for name, call := range map[string]func() error{
		"list":   func() error { _, err := r.List(t.Context()); return err },
		"info":   func() error { _, err := r.Info(t.Context()); return err },
		"start":  func() error { _, err := r.Start(t.Context(), instance(loaded, "web", 1)); return err },
		"stop":   func() error { return r.Stop(t.Context(), web.ID, "SIGTERM", time.Minute) },
		"remove": func() error { return r.Remove(t.Context(), web.ID) },
		"pull":   func() error { return r.Pull(t.Context(), loaded) },
		"logs":   func() error { return r.Logs(t.Context(), web.ID, agent.LogOptions{Follow: true}, t.Output()) },
		"exec": func() error {
			_, err := r.Exec(t.Context(), web.ID, agent.Exec{Command: []string{"/program"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, call(), nodes.EngineDown) })
	}
	wantCode(t, <-ended, nodes.EngineDown)
	e.Thaw()
	watching(t, r)
	all, err := r.List(t.Context())
	if err != nil || len(all) == 0 || all[0].Container != web.Container {
		t.Errorf("after the thaw %+v, %v", all, err)
	}
}

func TestPull_FromARegistryInTrouble(t *testing.T) {
	c := plainClient(t)
	cluster := newCluster(t, c)
	reg := image.NewRegistry(t)
	ref := pushed(t, c, reg)
	as := func(k authn.Keychain) *docker.Runtime {
		return open(t, docker.Config{Cluster: cluster, Node: "n", Keychain: k})
	}
	nobody := as(keychain{})

	reg.Down()
	wantCode(t, nobody.Pull(t.Context(), ref), nodes.RegistryUnreachable)
	reg.Up(t)
	reg.Break(http.StatusServiceUnavailable)
	wantCode(t, nobody.Pull(t.Context(), ref), nodes.RegistryUnreachable)
	reg.Break(0)
	wantCode(t, nobody.Pull(t.Context(), reg.Addr()+"/test/program:none"), nodes.ImageNotFound)
	reg.Lock("ann", "secret")
	wantCode(t, nobody.Pull(t.Context(), ref), nodes.ImageUnauthorized)
	wantCode(t, as(keychain{"ann", "wrong"}).Pull(t.Context(), ref), nodes.ImageUnauthorized)
	if err := as(keychain{"ann", "secret"}).Pull(t.Context(), ref); err != nil {
		t.Error(err)
	}
	reg.Down()
	if err := nobody.Pull(t.Context(), ref); err != nil {
		t.Errorf("a present image asked its registry: %v", err)
	}
}

func TestStart_OnAPortOfAnotherProgram(t *testing.T) {
	c := plainClient(t)
	cluster := newCluster(t, c)
	ref := pushed(t, c, image.NewRegistry(t))
	r := open(t, docker.Config{Cluster: cluster, Node: "n"})
	if err := r.Pull(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	web := instance(ref, "web", 0, "sleep")
	web.Workload.Ports = map[string]schema.Port{"http": {Container: 80, Protocol: "tcp"}}
	web.Ports = map[string]int{"http": port}
	_, err = r.Start(t.Context(), web)
	wantCode(t, err, nodes.PortInUse)
	if e, _ := errors.AsType[*agent.Error](err); e.Failure.Port != port {
		t.Errorf("the port is %d, want %d", e.Failure.Port, port)
	}
}

// keychain has one password for all registries; the zero value has none.
type keychain struct{ user, pass string }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	if k.user == "" {
		return authn.Anonymous, nil
	}
	return &authn.Basic{Username: k.user, Password: k.pass}, nil
}

// I9: whatever the runtime is asked, containers of others stay as they are.
func TestRuntime_TouchesNoContainerOfOthers(t *testing.T) {
	c := plainClient(t)
	cluster := newCluster(t, c)
	ref := pushed(t, c, image.NewRegistry(t))
	r := open(t, docker.Config{Cluster: cluster, Node: "n"})
	if err := r.Pull(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	ours := instance(ref, "web", 0, "sleep")
	foreign := map[string]map[string]string{
		"no label":        nil,
		"another cluster": {"io.bayplan.cluster": cluster + "x", "io.bayplan.node": "n", "io.bayplan.id": ours.ID},
		"another node":    {"io.bayplan.cluster": cluster, "io.bayplan.node": "nn", "io.bayplan.id": ours.ID},
		"no id":           {"io.bayplan.cluster": cluster, "io.bayplan.node": "n"},
	}
	before := map[string]string{}
	for name, labels := range foreign {
		before[name] = plainStart(t, c, ref, "", labels)
	}
	// One was made of a copy of ours, one even has the name that ours would get.
	named := start(t, r, ours)
	box, err := c.ContainerInspect(t.Context(), named.Container, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before["our labels"] = plainStart(t, c, ref, "", box.Container.Config.Labels)
	if all, err := r.List(t.Context()); err != nil || len(all) != 1 || all[0].Container != named.Container {
		t.Errorf("beside a copy of ours it lists %+v, %v", all, err)
	}
	if err := errors.Join(r.Stop(t.Context(), ours.ID, "SIGKILL", 0), r.Remove(t.Context(), ours.ID)); err != nil {
		t.Fatal(err)
	}
	before["our name"] = plainStart(t, c, ref, box.Container.Name, nil)
	_, err = r.Start(t.Context(), ours)
	wantCode(t, err, nodes.StartFailed)
	if err := errors.Join(r.Stop(t.Context(), ours.ID, "SIGKILL", 0), r.Remove(t.Context(), ours.ID)); err != nil {
		t.Error(err)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("it lists %+v, %v", all, err)
	}
	for name, id := range before {
		s, err := c.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
		if err != nil || !s.Container.State.Running {
			t.Errorf("the container with %s was touched: %v", name, err)
		}
	}
}

// plainStart starts a container that has nothing to do with us.
func plainStart(t testing.TB, c *client.Client, ref, name string, labels map[string]string) string {
	t.Helper()
	made, err := c.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: name, Config: &container.Config{Image: ref, Labels: labels}, HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.ContainerRemove(context.WithoutCancel(t.Context()), made.ID, client.ContainerRemoveOptions{Force: true})
	})
	if _, err := c.ContainerStart(t.Context(), made.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	return made.ID
}
