package native_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/schema"
)

// What a round starts.
const (
	many   = 50
	atOnce = 8
)

// bench is a node with its image and many containers to start.
func bench(b *testing.B, network schema.Network) (*machine, *native.Runtime, []agent.Container) {
	m := newMachine(b)
	r := m.open("n")
	if err := r.Pull(b.Context(), m.ref); err != nil {
		b.Fatal(err)
	}
	all := make([]agent.Container, many)
	for i := range all {
		all[i] = m.instance("web", i, "sleep")
		w := all[i].Workload
		w.Network, w.Resources.Limit = network, schema.Limits{Memory: 64 << 20, CPU: 1000, Pids: 100}
	}
	return m, r, all
}

// round does something to each, some at once.
func round(b *testing.B, all []agent.Container, do func(context.Context, agent.Container) error) time.Duration {
	began := time.Now()
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(atOnce)
	for _, c := range all {
		g.Go(func() error { return do(ctx, c) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

func startAll(b *testing.B, r *native.Runtime, all []agent.Container) time.Duration {
	return round(b, all, func(ctx context.Context, c agent.Container) error {
		_, err := r.Start(ctx, c)
		return err
	})
}

func endAll(b *testing.B, r *native.Runtime, all []agent.Container) time.Duration {
	return round(b, all, func(ctx context.Context, c agent.Container) error {
		if err := r.Stop(ctx, c.ID, "SIGKILL", 0); err != nil {
			return err
		}
		return r.Remove(ctx, c.ID)
	})
}

// BenchmarkStart tells how many containers are started, and stopped and removed,
// in a second.
func BenchmarkStart(b *testing.B) {
	for _, network := range []schema.Network{schema.Host, schema.Bridge} {
		b.Run(string(network), func(b *testing.B) {
			m, r, all := bench(b, network)
			var starting, ending time.Duration
			rounds := 0
			for b.Loop() {
				starting += startAll(b, r, all)
				ending += endAll(b, r, all)
				rounds++
			}
			b.ReportMetric(float64(rounds*many)/starting.Seconds(), "starts/s")
			b.ReportMetric(float64(rounds*many)/ending.Seconds(), "ends/s")
			m.isClean()
		})
	}
}

// BenchmarkAdopt is what a new agent takes for what runs.
func BenchmarkAdopt(b *testing.B) {
	for _, network := range []schema.Network{schema.Host, schema.Bridge} {
		b.Run(string(network), func(b *testing.B) {
			_, r, all := bench(b, network)
			startAll(b, r, all)
			for b.Loop() {
				next, err := native.New(r.Config())
				if err != nil {
					b.Fatal(err)
				}
				found, err := next.List(b.Context())
				if err != nil || len(found) != many {
					b.Fatalf("%d, %v", len(found), err)
				}
				b.StopTimer()
				next.Close()
				b.StartTimer()
			}
			endAll(b, r, all)
		})
	}
}

// BenchmarkKill is the time from a program's death to the word of it, and to the
// next life.
func BenchmarkKill(b *testing.B) {
	_, r, all := bench(b, schema.Host)
	heard := make(chan string, 1024)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	watching := make(chan error, 1)
	go func() { watching <- r.Watch(ctx, func(id string) { heard <- id }) }()
	<-heard
	c := all[0]
	var noticed, replaced time.Duration
	for b.Loop() {
		if _, err := r.Start(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		<-heard
		began := time.Now()
		if err := kill(r.Init(c.ID)); err != nil {
			b.Fatal(err)
		}
		<-heard
		noticed += time.Since(began)
		if _, err := r.Start(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		replaced += time.Since(began)
		<-heard
		if err := r.Stop(b.Context(), c.ID, "SIGKILL", 0); err != nil {
			b.Fatal(err)
		}
		<-heard
	}
	b.ReportMetric(noticed.Seconds()*1000/float64(b.N), "ms-noticed")
	b.ReportMetric(replaced.Seconds()*1000/float64(b.N), "ms-replaced")
	cancel()
	<-watching
	if err := r.Remove(b.Context(), c.ID); err != nil {
		b.Fatal(err)
	}
}

func kill(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("program %d: %w", pid, err)
	}
	defer unix.Close(fd)
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}
