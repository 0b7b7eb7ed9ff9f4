package native_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// crash is a node whose agents and monitors die.
type crash struct {
	*machine
	t *testing.T
	n int
	// mark is an argument of the programs of this test, and of no other.
	mark string
}

func newCrash(t *testing.T) *crash {
	m := newMachine(t)
	if _, err := m.images().Pull(t.Context(), m.ref); err != nil {
		t.Fatal(err)
	}
	return &crash{machine: m, t: t, mark: rand.Text()}
}

// container is another one.
func (c *crash) container(args ...string) agent.Container {
	c.n++
	return c.instance("web", c.n, append([]string{"echo", c.mark}, args...)...)
}

// during hands the node to an agent that dies.
func (c *crash) during(j childJob) {
	c.t.Helper()
	c.release()
	j.Dir, j.Node, j.Monitor = c.dir, "n", built.monitor
	j.dies(c.t)
}

// programs is how many of this test's programs run.
func (c *crash) programs() int {
	n := 0
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		b, _ := os.ReadFile(path)
		if strings.HasPrefix(string(b), steps.Path+"\x00") && strings.Contains(string(b), c.mark) {
			n++
		}
	}
	return n
}

// recovers is what a new agent makes of a container, whatever became of the one
// before: it runs once, and then is gone.
func (c *crash) recovers(in agent.Container) {
	c.t.Helper()
	c.recoversIn(c.open("n"), in)
}

func (c *crash) recoversIn(r *native.Runtime, in agent.Container) {
	c.t.Helper()
	first, err := r.Start(c.t.Context(), in)
	if err != nil {
		c.t.Fatal(err)
	}
	again, err := r.Start(c.t.Context(), in)
	if err != nil || !again.Started.Equal(first.Started) || again.State != agent.StateRunning {
		c.t.Errorf("it is %+v, %v, after %+v", again, err, first)
	}
	if n := c.programs(); n != 1 {
		c.t.Errorf("%d programs run", n)
	}
	c.ends(r, in)
}

// ends stops and removes, and looks at what is left.
func (c *crash) ends(r *native.Runtime, in agent.Container) {
	c.t.Helper()
	if err := errors.Join(r.Stop(c.t.Context(), in.ID, "SIGKILL", 0), r.Remove(c.t.Context(), in.ID)); err != nil {
		c.t.Fatal(err)
	}
	if all, err := r.List(c.t.Context()); err != nil || len(all) > 0 {
		c.t.Errorf("listed: %+v, %v", all, err)
	}
	if n := c.programs(); n > 0 {
		c.t.Errorf("%d programs run", n)
	}
	c.isClean()
}

// isClean is for a machine whose containers were all removed.
func (m *machine) isClean() {
	m.Helper()
	for _, r := range m.runtimes {
		r.Cleared()
	}
	left, err := os.ReadDir(filepath.Join(m.dir, "containers"))
	for _, e := range left {
		m.Errorf("the folder %s is left", e.Name())
	}
	for node, network := range m.networks {
		groups, groupErr := cgroup.List("/bayplan/" + native.Key(m.dir, "test", node))
		if err = errors.Join(err, groupErr); len(groups) > 0 {
			m.Errorf("the control groups %q of %s are left", groups, node)
		}
		links, linkErr := net.Interfaces()
		err = errors.Join(err, linkErr)
		tag := "bp" + strings.TrimPrefix(network.Bridge(), "bp-")
		for _, l := range links {
			if strings.HasPrefix(l.Name, tag) {
				m.Errorf("the link %s of %s is left", l.Name, node)
			}
		}
	}
	held, _ := filepath.Glob("/proc/self/fd/*")
	home, _ := os.Readlink("/proc/self/ns/net") // held for moments by who looks into another
	for _, fd := range held {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, "net:[") && to != home {
			m.Errorf("the namespace %s is still held", to)
		}
	}
	mounts, mountErr := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), m.dir) {
		m.Errorf("mounts are left:\n%s", mounts)
	}
	if err = errors.Join(err, mountErr); err != nil {
		m.Error(err)
	}
}

func TestAgent_KilledAtEachStepOfAStart(t *testing.T) {
	c := newCrash(t)
	jobs := []childJob{{DieAt: "claimed"}, {DieAt: "connected"}, {DieAt: "written"}, {DieAt: "launched"}}
	for _, trace := range c.traces(c.open("n").Folder("")) { // while the monitor makes the container
		jobs = append(jobs, childJob{DieAt: "written", When: trace})
	}
	for _, j := range jobs {
		j.Verb, j.Container = "start", c.container("sleep")
		folder := c.open("n").Folder
		j.When = strings.Replace(j.When, filepath.Base(folder("")), filepath.Base(folder(j.Container.ID)), 1)
		c.during(j)
		c.recovers(j.Container)
	}
}

func TestAgent_KilledAsItStops(t *testing.T) {
	c := newCrash(t)
	in, r := c.container("sleep"), c.open("n")
	c.starts(r, in)
	c.awaitOutput(r, in.ID, c.mark) // it listens to signals by then
	c.during(childJob{Verb: "stop", Container: in, DieAt: "asked"})
	r = c.open("n")
	if s := c.awaitExit(r, in.ID); s.ExitCode != 0 {
		t.Errorf("it was asked to stop, and ended with %+v", s)
	}
	c.ends(r, in)
}

func TestAgent_KilledAsItRemoves(t *testing.T) {
	c := newCrash(t)
	for _, step := range []string{"cleared", "dropped"} {
		in := c.container("exit", "3")
		r := c.open("n")
		c.starts(r, in)
		c.awaitExit(r, in.ID)
		c.during(childJob{Verb: "remove", Container: in, DieAt: step})
		c.ends(c.open("n"), in)
	}
}

func (c *crash) starts(r *native.Runtime, in agent.Container) agent.Status {
	c.t.Helper()
	s, err := r.Start(c.t.Context(), in)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// awaitExit waits until a container has ended.
func (c *crash) awaitExit(r *native.Runtime, id string) agent.Status {
	c.t.Helper()
	return c.await(r, id, func(s agent.Status) bool { return s.State == agent.StateExited })
}

// await looks whenever Watch says so.
func (c *crash) await(r *native.Runtime, id string, wanted func(agent.Status) bool) agent.Status {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var found agent.Status
	err := r.Watch(ctx, func(string) {
		all, err := r.List(ctx)
		if err != nil && ctx.Err() == nil { // it may say so once more after it was found
			c.t.Error(err)
		}
		for _, s := range all {
			if s.ID == id && wanted(s) {
				found = s
				cancel()
			}
		}
	})
	if found.ID == "" {
		c.t.Fatalf("%s did not become so: %v", id, err)
	}
	return found
}
