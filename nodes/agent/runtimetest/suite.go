package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// Engine is a runtime under test.
type Engine struct {
	// Runtime opens the runtime anew for one node; all see one engine.
	Runtime func(t *testing.T, node string) agent.Runtime
	// Program makes the workload one that takes these steps, its image present
	// after Pull.
	Program func(w *schema.Workload, steps ...string)
	// Missing is an image that its registry does not have.
	Missing string
	// FreePort is a host port that nothing holds.
	FreePort func(t *testing.T) int
	// HostVolume is a folder that the runtimes have as host volume "shared", and
	// read-only as "fixed".
	HostVolume string
	// Simulated leaves out the tests that look inside a container: its
	// environment, user, files, memory, signals and terminal.
	Simulated bool
}

// HostVolumes are what runtimes under test declare of the folder.
func HostVolumes(folder string) agent.HostVolumes {
	return agent.HostVolumes{"shared": {Path: folder}, "fixed": {Path: folder, ReadOnly: true}}
}

// Run is the contract, a subtest each.
func Run(t *testing.T, e Engine) {
	for _, c := range slices.Concat(lives, looks, talks) {
		t.Run(c.name, func(t *testing.T) { c.run(newRig(t, e)) })
	}
	if e.Simulated {
		return
	}
	for _, c := range insides {
		t.Run(c.name, func(t *testing.T) { c.run(newRig(t, e)) })
	}
}

type contract struct {
	name string
	run  func(*rig)
}

// patience is how long an engine may take for what it will surely do.
const patience = 30 * time.Second

// rig is one test's node on the engine. What it left is removed at the end.
type rig struct {
	*testing.T
	Engine
	agent.Runtime
	ctx  context.Context
	node string
	// news yields after a change; capacity 1.
	news chan struct{}
	// heard is every ID that Watch told, in order.
	heard chan string
}

func newRig(t *testing.T, e Engine) *rig {
	node := "node-" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	r := &rig{T: t, Engine: e, Runtime: e.Runtime(t, node), ctx: ctx, node: node, news: make(chan struct{}, 1), heard: make(chan string, 1024)}
	t.Cleanup(func() { clear(t, r.Runtime) })
	r.follow()
	return r
}

// follow watches for as long as the test lasts.
func (r *rig) follow() {
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := r.Watch(ctx, func(id string) {
			select {
			case r.heard <- id:
			default:
			}
			select {
			case r.news <- struct{}{}:
			default:
			}
		})
		if ctx.Err() == nil {
			r.Errorf("Watch ended: %v", err)
		}
	}()
	r.Cleanup(func() { cancel(); <-done })
	if id := r.hear(); id != "" {
		r.Fatalf("the first word of Watch is %q; want \"\": look at everything", id)
	}
}

func (r *rig) hear() string {
	r.Helper()
	select {
	case id := <-r.heard:
		return id
	case <-r.ctx.Done():
		r.Fatal("Watch says nothing")
		return ""
	}
}

// clear removes all that the node has; the test's own context is over then.
func clear(t *testing.T, rt agent.Runtime) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	all, err := rt.List(ctx)
	if err != nil {
		t.Errorf("clearing: %v", err)
	}
	for _, s := range all {
		if err := errors.Join(rt.Stop(ctx, s.ID, "SIGKILL", 0), rt.Remove(ctx, s.ID)); err != nil {
			t.Errorf("clearing %s: %v", s.ID, err)
		}
	}
}

// container is an instance of team/name that takes steps.
func (r *rig) container(name string, index int, steps ...string) agent.Container {
	w := &schema.Workload{
		Name: "team/" + name, Kind: schema.Service, Replicas: 1,
		Stop: schema.Stop{Signal: "SIGTERM", Grace: schema.Duration(10 * time.Second)},
	}
	r.Program(w, steps...)
	return instance(w, index)
}

func instance(w *schema.Workload, index int) agent.Container {
	slot := schema.Slot{Workload: w.Name, Index: index}
	return agent.Container{ID: nodes.InstanceID(slot, w.Digest()), Slot: slot, Digest: w.Digest(), Workload: w}
}

func image(w *schema.Workload) string {
	if w.Pinned != "" {
		return w.Pinned
	}
	return w.Image
}

// run pulls and starts.
func (r *rig) run(c agent.Container) agent.Status {
	r.Helper()
	r.must(r.Pull(r.ctx, image(c.Workload)))
	s, err := r.Start(r.ctx, c)
	r.must(err)
	return s
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// list is the node's containers, by the ID.
func (r *rig) list() []agent.Status {
	r.Helper()
	all, err := r.List(r.ctx)
	r.must(err)
	return all
}

// find is the listed status of an ID; nil if it is not listed.
func (r *rig) find(id string) *agent.Status {
	r.Helper()
	for _, s := range r.list() {
		if s.ID == id {
			return &s
		}
	}
	return nil
}

// await lists whenever Watch says that something changed, until the container
// is as wanted.
func (r *rig) await(id, what string, wanted func(*agent.Status) bool) agent.Status {
	r.Helper()
	for {
		s := r.find(id)
		if s != nil && wanted(s) {
			return *s
		}
		select {
		case <-r.news:
		case <-r.ctx.Done():
			r.Fatalf("%s never became %s: %+v", id, what, s)
		}
	}
}

func (r *rig) awaitExit(id string) agent.Status {
	r.Helper()
	return r.await(id, "exited", func(s *agent.Status) bool { return s.State == agent.StateExited })
}

// failure is the code that an error carries, "" if none.
func failure(err error) nodes.Failure {
	e, ok := errors.AsType[*agent.Error](err)
	if !ok {
		return nodes.Failure{Text: fmt.Sprint(err)}
	}
	return e.Failure
}

func (r *rig) wantFailure(err error, code nodes.FailureCode) nodes.Failure {
	r.Helper()
	f := failure(err)
	if f.Code != code {
		r.Fatalf("got %q (%v), want %q", f.Code, err, code)
	}
	if f.Text == "" {
		r.Errorf("%q comes without a text for people", code)
	}
	return f
}
