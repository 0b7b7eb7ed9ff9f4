package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	moby "github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/dev"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/engine"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/nodes/agent"
)

const (
	// engineLimit is how long the engine may take to say who it is.
	engineLimit = 10 * time.Second
	// cleanGrace is what a container gets between SIGTERM and SIGKILL.
	cleanGrace = 3 * time.Second
	// cleanAtOnce is how many containers are stopped side by side.
	cleanAtOnce = 16
)

// devEngine names what runs containers, or says how to get it.
func devEngine(ctx context.Context, runtime string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	info, err := engine.Describe(ctx, runtime)
	if err != nil {
		return "", &exit.Error{Code: exit.Failure, Err: fmt.Errorf("nothing to run containers with: %w", err), Next: "bayplan doctor"}
	}
	return info, nil
}

// devClean stops and removes what the nodes of a cluster have. A runtime never
// deletes a volume; those of a cluster that is thrown away as a whole go here, or
// with the folder that they stand in.
func devClean(ctx context.Context, runtime, cluster string, nodes []dev.Node, volumes bool) error {
	g, each := errgroup.WithContext(ctx)
	for _, node := range nodes {
		g.Go(func() error {
			// Without its address the node's ports would be published on every one until it is closed.
			e, err := engine.Open(each, engine.Config{Runtime: runtime, Dir: node.Dir, Cluster: cluster, Node: node.Name,
				Publish: node.Address, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				return err
			}
			return errors.Join(removeAll(each, e), e.Retire())
		})
	}
	if err := g.Wait(); err != nil || !volumes || runtime != engine.Docker {
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
