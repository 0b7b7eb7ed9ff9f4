package docker_test

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest"
	"github.com/bayplan/bayplan/nodes/docker"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/image"
)

// plainClient reaches the Engine that tests use. Where none answers the test is
// skipped, or fails if BAYPLAN_TEST_ENGINE is "required".
func plainClient(t testing.TB) *client.Client {
	t.Helper()
	c, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		if os.Getenv("BAYPLAN_TEST_ENGINE") == "required" {
			t.Fatalf("BAYPLAN_TEST_ENGINE is required: %v", err)
		}
		t.Skip("no Docker Engine answers: testenv/engine.sh run go test ./nodes/docker")
	}
	return c
}

// newCluster is a name of its own; what carries it is removed at the end,
// volumes and images too.
func newCluster(t testing.TB, c *client.Client) string {
	cluster := "test-" + strings.ToLower(rand.Text()[:10])
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		sweep(ctx, t, c, client.Filters{}.Add("label", "io.bayplan.cluster="+cluster))
	})
	return cluster
}

func sweep(ctx context.Context, t testing.TB, c *client.Client, f client.Filters) {
	boxes, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: f})
	if err != nil {
		t.Errorf("sweeping: %v", err)
	}
	for _, b := range boxes.Items {
		c.ContainerRemove(ctx, b.ID, client.ContainerRemoveOptions{Force: true})
	}
	volumes, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: f})
	if err != nil {
		t.Errorf("sweeping: %v", err)
	}
	for _, v := range volumes.Items {
		c.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
	}
}

// pushed is the test image on a registry of the test's own; the Engine forgets
// it at the end.
func pushed(t testing.TB, c *client.Client, reg *image.Registry) string {
	ref := reg.Push(t, "test/program:1", image.Program(t, "1"))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		c.ImageRemove(ctx, ref, client.ImageRemoveOptions{Force: true})
	})
	return ref
}

func open(t testing.TB, cfg docker.Config) *docker.Runtime {
	t.Helper()
	r, err := docker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestRuntime_KeepsTheContract(t *testing.T) {
	c := plainClient(t)
	reg := image.NewRegistry(t)
	ref, cluster := pushed(t, c, reg), newCluster(t, c)
	shared := t.TempDir()
	runtimetest.Run(t, runtimetest.Engine{
		HostVolume: shared,
		Runtime: func(t *testing.T, node string) agent.Runtime {
			return open(t, docker.Config{Cluster: cluster, Node: node, HostVolumes: runtimetest.HostVolumes(shared)})
		},
		Program: func(w *schema.Workload, steps ...string) {
			w.Image, w.Pinned, w.Args = reg.Addr()+"/test/program:1", ref, steps
		},
		Missing:  reg.Addr() + "/test/missing:1",
		FreePort: freePort,
	})
}
