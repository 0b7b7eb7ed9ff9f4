package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// atOnce is how many containers the plain client starts at a time: beyond it an
// engine starts no more a second. It is as many as an agent does.
const atOnce = 8

// engine is the peer: what a plain client gets out of the same engine.
type engine struct {
	b   *testing.B
	api *client.Client
}

func dial(b *testing.B) *engine {
	b.Helper()
	api, err := client.New(client.FromEnv)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { api.Close() })
	return &engine{b, api}
}

// boxes are the cluster's containers as the engine knows them, so that a peer
// can start the very same.
func (e *engine) boxes(c *cluster) (all []container.InspectResponse) {
	e.b.Helper()
	var ready struct{ Cluster string }
	b, err := os.ReadFile(filepath.Join(c.dir, "server.ready"))
	if err == nil {
		err = json.Unmarshal(b, &ready)
	}
	if err != nil {
		e.b.Fatal(err)
	}
	found, err := e.api.ContainerList(e.b.Context(), client.ContainerListOptions{Filters: client.Filters{}.Add("label", "io.bayplan.cluster="+ready.Cluster)})
	if err != nil {
		e.b.Fatal(err)
	}
	for _, item := range found.Items {
		box, err := e.api.ContainerInspect(e.b.Context(), item.ID, client.ContainerInspectOptions{})
		if err != nil {
			e.b.Fatal(err)
		}
		all = append(all, box.Container)
	}
	return all
}

// dockerRun is how long `docker run` of the same container takes to the same
// health, asked every few milliseconds.
func (e *engine) dockerRun(box container.InspectResponse) time.Duration {
	e.b.Helper()
	address := freeAddress(e.b)
	began := time.Now()
	out, err := exec.Command("docker", runArgs(box, address)...).Output()
	if err != nil {
		e.b.Fatalf("docker run: %v", err)
	}
	id := string(out[:len(out)-1])
	defer e.remove(id)
	for get("http://"+address+"/up") != nil {
		if life.Err() != nil || time.Since(began) > patience {
			e.b.Fatal("the container that docker run started is never healthy")
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}

// runArgs say by flags what box says by its HostConfig.
func runArgs(box container.InspectResponse, address string) []string {
	h := box.HostConfig
	args := []string{"run", "-d", "--init", "-p", address + ":8080",
		"--cpu-shares", decimal(h.CPUShares), "--cpus", fmt.Sprint(float64(h.NanoCPUs) / 1e9),
		"-m", decimal(h.Memory), "--memory-swap", decimal(h.MemorySwap), "--memory-reservation", decimal(h.MemoryReservation),
		"--log-driver", h.LogConfig.Type}
	for _, k := range slices.Sorted(maps.Keys(h.LogConfig.Config)) {
		args = append(args, "--log-opt", k+"="+h.LogConfig.Config[k])
	}
	for _, env := range box.Config.Env {
		args = append(args, "-e", env)
	}
	return append(args, box.Config.Image)
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func freeAddress(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// asker makes a connection for each question, as the agent does.
var asker = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}

func get(url string) error {
	answer, err := asker.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, answer.Status)
	}
	return nil
}

// startAll creates and starts what boxes describe, so many at once, and returns
// how long that took. They are removed before it returns.
func (e *engine) startAll(boxes []container.InspectResponse) time.Duration {
	e.b.Helper()
	ids := make([]string, len(boxes))
	defer func() { e.remove(ids...) }()
	began := time.Now()
	g, ctx := errgroup.WithContext(life)
	g.SetLimit(atOnce)
	for i := range boxes {
		g.Go(func() (err error) {
			ids[i], err = e.start(ctx, &boxes[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		e.b.Fatal(err)
	}
	return time.Since(began)
}

// start makes the same container again, under labels that no agent owns.
func (e *engine) start(ctx context.Context, box *container.InspectResponse) (id string, err error) {
	config := *box.Config
	config.Hostname, config.Labels = "", maps.Clone(config.Labels)
	config.Labels["io.bayplan.cluster"] = "none"
	created, err := e.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: "bench-" + box.Name[1:], Config: &config, HostConfig: box.HostConfig, NetworkingConfig: &network.NetworkingConfig{}})
	if err != nil {
		return "", err
	}
	_, err = e.api.ContainerStart(ctx, created.ID, client.ContainerStartOptions{})
	return created.ID, err
}

// remove takes containers away, whatever became of the benchmark.
func (e *engine) remove(ids ...string) {
	e.b.Helper()
	var g errgroup.Group
	g.SetLimit(2 * atOnce)
	for _, id := range ids {
		if id == "" {
			continue
		}
		g.Go(func() error {
			_, err := e.api.ContainerRemove(context.Background(), id, client.ContainerRemoveOptions{Force: true})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		e.b.Error(err)
	}
}
