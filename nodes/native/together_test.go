package native_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
)

// TestRuntime_TakesCallsInAnyOrder lets many do what they like to a few
// containers at once: none of them runs twice, and all can be removed.
func TestRuntime_TakesCallsInAnyOrder(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	all := []agent.Container{c.container("sleep"), c.container("sleep"), c.container("exit", "3")}
	g, ctx := errgroup.WithContext(t.Context())
	for worker := range 6 {
		rng := rand.New(rand.NewPCG(uint64(worker), 1))
		g.Go(func() error {
			for range 12 {
				if err := anyCall(ctx, r, rng, all[rng.IntN(len(all))]); err != nil {
					return err
				}
				if n := c.programs(); n > len(all) {
					return errors.New("a container runs twice")
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	for _, in := range all[1:] {
		if err := errors.Join(r.Stop(t.Context(), in.ID, "SIGKILL", 0), r.Remove(t.Context(), in.ID)); err != nil {
			t.Error(err)
		}
	}
	c.ends(r, all[0])
}

func anyCall(ctx context.Context, r *native.Runtime, rng *rand.Rand, in agent.Container) (err error) {
	switch rng.IntN(6) {
	case 0, 1:
		_, err = r.Start(ctx, in)
	case 2:
		err = r.Stop(ctx, in.ID, "SIGKILL", 0)
	case 3:
		err = r.Stop(ctx, in.ID, "SIGTERM", patience)
	case 4:
		_ = r.Remove(ctx, in.ID) // refused while it runs
	case 5:
		_, err = r.List(ctx)
	}
	return err
}

// TestAdopt_MissesNoExit ends programs while no agent runs, each in its way.
func TestAdopt_MissesNoExit(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	ways := []struct {
		signal unix.Signal
		code   int
	}{{unix.SIGTERM, 0}, {unix.SIGKILL, 137}, {0, 0}, {unix.SIGUSR1, 0}}
	all := make([]agent.Container, len(ways))
	held := make([]int, len(ways))
	for i := range all {
		all[i] = c.container("echo", "up", "sleep")
		c.starts(r, all[i])
		c.awaitOutput(r, all[i].ID, "up\n")
		held[i] = pidfd(t, r.Init(all[i].ID))
	}
	c.release()
	for i, w := range ways {
		if w.signal == 0 {
			continue // this one runs on
		}
		if err := unix.PidfdSendSignal(held[i], w.signal, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	r = c.open("n")
	for i, w := range ways {
		if w.signal == 0 {
			if s := c.await(r, all[i].ID, func(agent.Status) bool { return true }); s.State != agent.StateRunning {
				t.Errorf("nobody ended %+v", s)
			}
			continue
		}
		if s := c.awaitExit(r, all[i].ID); s.ExitCode != w.code || s.Error != "" {
			t.Errorf("after %v: %+v", w.signal, s)
		}
	}
	for _, in := range all[1:] {
		if err := errors.Join(r.Stop(t.Context(), in.ID, "SIGKILL", 0), r.Remove(t.Context(), in.ID)); err != nil {
			t.Error(err)
		}
	}
	c.ends(r, all[0])
}

func pidfd(t *testing.T, pid int) int {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}
