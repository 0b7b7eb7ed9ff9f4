package native_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/schema"
)

// leaseLeft is what is left of a lease as it is renewed by an agent whose clock is so
// far behind the machine's, by which monitors go.
const leaseLeft = 3 * time.Second

func behind() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err)
	}
	return time.Duration(now.Nano()) - nodes.LeaseTime + leaseLeft
}

func tenant(dir string, r agent.Runtime, sinceBoot func() time.Duration) (*agent.Agent, error) {
	return agent.New(agent.Config{Runtime: r, Dir: filepath.Join(dir, "agent"), Node: "n", Address: "127.0.0.1", SinceBoot: sinceBoot})
}

// leased is an Assignment of one order, with a lease.
func leased(c *agent.Container) nodes.Assignment {
	version := nodes.Version{Epoch: 1, Serial: 1}
	order := nodes.Order{ID: c.ID, Slot: c.Slot, Digest: c.Digest, Workload: c.Workload, Leased: true, Placed: time.Now(), Since: version}
	return nodes.Assignment{Node: "n", Version: version, Orders: []nodes.Order{order}}
}

// renewals are so many that what is leased lives for longer than one lease.
const renewals = 3 * int(leaseLeft/time.Second)

// lease runs an agent that the server hears for a while. It dies then, at the step
// that is none of the runtime's.
func (j *childJob) lease(ctx context.Context, r *native.Runtime) error {
	a, err := tenant(j.Dir, r, behind)
	if err != nil {
		return err
	}
	if err := a.Assign(leased(&j.Container)); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, nil) }()
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	for range renewals {
		a.Renew(a.Mark(), a.Holds().Version)
		select {
		case err := <-ended:
			return err
		case <-tick.C:
		}
	}
	die()
	return nil
}

// TestLease_EndsWithItsAgentKilled: what is leased does not outlive its lease though
// nobody starts the agent again (I25), and the next agent knows why it ended.
func TestLease_EndsWithItsAgentKilled(t *testing.T) {
	c := newCrash(t)
	in := c.container("sleep")
	in.Workload.Stop.Grace = schema.Duration(time.Minute)
	c.during(childJob{Container: in, Verb: "lease"})
	dead := time.Now()
	if n := c.programs(); n != 1 {
		t.Fatalf("%d programs outlived their agent", n)
	}
	r := c.open("n")
	s := c.awaitExit(r, in.ID)
	if lived := s.Finished.Sub(s.Started); lived < leaseLeft+time.Second || !s.Lapsed || s.ExitCode != 0 {
		t.Errorf("it was renewed for longer than %v, and lived for %v: %+v", leaseLeft, lived, s)
	}
	if over := s.Finished.Sub(dead); over > leaseLeft+nodes.LeaseStop {
		t.Errorf("I25: it ended %v after its agent", over)
	}
	c.tellsLapse(r, in)
	c.ends(r, in)
}

// tellsLapse is the next agent, which starts the container again once it is heard.
func (c *crash) tellsLapse(r *native.Runtime, in agent.Container) {
	a, err := tenant(c.dir, r, nil) // by the machine's clock
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, nil) }()
	c.awaitPhase(ctx, a, in.ID, func(i *nodes.Instance) bool {
		return i.Phase == nodes.Stopped && i.Failure != nil && i.Failure.Code == nodes.LeaseExpired
	})
	a.Renew(a.Mark(), a.Holds().Version)
	c.awaitPhase(ctx, a, in.ID, func(i *nodes.Instance) bool { return i.Phase == nodes.Running && i.Restarts == 1 })
	cancel()
	if err := <-ended; err != nil {
		c.t.Error(err)
	}
}

func (c *crash) awaitPhase(ctx context.Context, a *agent.Agent, id string, wanted func(*nodes.Instance) bool) {
	c.t.Helper()
	for {
		report := a.Report()
		i := report.Instance(id)
		if i != nil && wanted(i) {
			return
		}
		select {
		case <-a.Changed():
		case <-ctx.Done():
			c.t.Fatalf("its agent tells %+v", i)
		}
	}
}
