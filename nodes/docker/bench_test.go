package docker_test

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/nodes/docker"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/image"
)

// What a round starts.
const (
	many   = 50
	atOnce = 8
)

// BenchmarkStart_AgainstAPlainClient starts 50 containers, 8 at once, by the
// Runtime and by a plain client of the Engine's API in turns, and reports both
// rates and their ratio. An agent follows the Engine's events meanwhile, so the
// Runtime does.
func BenchmarkStart_AgainstAPlainClient(b *testing.B) {
	c := plainClient(b)
	ref, cluster := pushed(b, c, image.NewRegistry(b)), newCluster(b, c)
	r := open(b, docker.Config{Cluster: cluster, Node: "n"})
	if err := r.Pull(b.Context(), ref); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go r.Watch(ctx, func(string) {})

	var plain, ours time.Duration
	rounds := 0
	for b.Loop() {
		byClient := func() {
			plain += round(b, func(ctx context.Context, i int) error { return byHand(ctx, c, cluster, ref) })
		}
		byRuntime := func() {
			ours += round(b, func(ctx context.Context, i int) error {
				in := instance(ref, "web", i, "sleep")
				in.Workload.Resources.Limit.Memory = 64 << 20
				_, err := r.Start(ctx, in)
				return err
			})
		}
		turns := []func(){byClient, byRuntime}
		if rounds%2 == 1 {
			turns[0], turns[1] = turns[1], turns[0]
		}
		for _, turn := range turns {
			turn()
			sweep(b.Context(), b, c, client.Filters{}.Add("label", "io.bayplan.cluster="+cluster))
		}
		rounds++
	}
	n := float64(rounds * many)
	b.ReportMetric(n/plain.Seconds(), "plain/s")
	b.ReportMetric(n/ours.Seconds(), "runtime/s")
	b.ReportMetric(plain.Seconds()/ours.Seconds(), "ratio")
}

func round(b *testing.B, start func(context.Context, int) error) time.Duration {
	began := time.Now()
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(atOnce)
	for i := range many {
		g.Go(func() error { return start(ctx, i) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// byHand is the least that starts the same container.
func byHand(ctx context.Context, c *client.Client, cluster, ref string) error {
	made, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: ref, Cmd: []string{"sleep"}, Labels: map[string]string{"io.bayplan.cluster": cluster}},
		HostConfig: &container.HostConfig{
			Init:      new(true),
			Resources: container.Resources{Memory: int64(schema.Bytes(64 << 20)), MemorySwap: 64 << 20},
		},
	})
	if err != nil {
		return err
	}
	_, err = c.ContainerStart(ctx, made.ID, client.ContainerStartOptions{})
	return err
}
