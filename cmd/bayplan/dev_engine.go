package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	moby "github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/docker"
)

const (
	// engineLimit is how long the engine may take to say who it is.
	engineLimit = 10 * time.Second
	// cleanGrace is what a container gets between SIGTERM and SIGKILL.
	cleanGrace = 3 * time.Second
	// cleanAtOnce is how many containers are stopped side by side.
	cleanAtOnce = 16
)

// devRuntime is the engine as one node sees it.
func devRuntime(cluster, node string) (*docker.Runtime, error) {
	return docker.New(docker.Config{Cluster: cluster, Node: node, Log: slog.New(slog.DiscardHandler)})
}

// devEngine names the engine, or says how to get one.
func devEngine(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	rt, err := devRuntime("none", "none")
	if err != nil {
		return "", err
	}
	defer rt.Close()
	info, err := rt.Info(ctx)
	if err != nil {
		return "", &exit.Error{Code: exit.Failure, Err: fmt.Errorf("no engine to run containers with: %w", err),
			Next: "start Docker, or in the source tree: make demo"}
	}
	return info.Name + " " + info.Version, nil
}

// devClean stops and removes what the nodes of a cluster have. The runtime never
// deletes a volume; those of a cluster that is thrown away as a whole go here.
func devClean(ctx context.Context, cluster string, nodes []string, volumes bool) error {
	g, each := errgroup.WithContext(ctx)
	for _, node := range nodes {
		g.Go(func() error {
			rt, err := devRuntime(cluster, node)
			if err != nil {
				return err
			}
			defer rt.Close()
			return removeAll(each, rt)
		})
	}
	if err := g.Wait(); err != nil || !volumes {
		return err
	}
	return removeVolumes(ctx, cluster)
}

func removeAll(ctx context.Context, rt agent.Runtime) error {
	containers, err := rt.List(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cleanAtOnce)
	for _, c := range containers {
		g.Go(func() error {
			if err := rt.Stop(ctx, c.ID, "SIGTERM", cleanGrace); err != nil {
				return err
			}
			return rt.Remove(ctx, c.ID)
		})
	}
	return g.Wait()
}

func removeVolumes(ctx context.Context, cluster string) error {
	api, err := moby.New(moby.FromEnv)
	if err != nil {
		return err
	}
	defer api.Close()
	list, err := api.VolumeList(ctx, moby.VolumeListOptions{Filters: moby.Filters{}.Add("label", "io.bayplan.cluster="+cluster)})
	if err != nil {
		return err
	}
	for _, v := range list.Items {
		if _, err := api.VolumeRemove(ctx, v.Name, moby.VolumeRemoveOptions{}); err != nil {
			return err
		}
	}
	return nil
}
