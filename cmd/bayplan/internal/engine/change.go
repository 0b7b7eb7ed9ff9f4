package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/nodes/docker"
)

// change refuses another runtime while the former one still has containers of this
// node: nobody would look after them any more, and each would run a second time.
// What cannot be known counts as there.
func change(ctx context.Context, cfg Config, from, to string) error {
	left, err := leftWith(ctx, cfg, from)
	if err != nil {
		return &exit.Error{Code: exit.Failure,
			Err:  fmt.Errorf("node %s cannot go from the runtime %s to %s: whether it still has containers there is not known: %w", cfg.Node, from, to, err),
			Next: fmt.Sprintf("see that it answers and start the agent again, or, if it is gone for good with all that it ran, remove %s", filepath.Join(cfg.Dir, settledFile))}
	}
	if left > 0 {
		return &exit.Error{Code: exit.Failure,
			Err:  fmt.Errorf("node %s cannot go from the runtime %s to %s: what it still has there (%d containers) would run on unseen", cfg.Node, from, to, left),
			Next: fmt.Sprintf("start the agent with --runtime %s, and change it once a commit has taken the node's work away", from)}
	}
	cfg.Log.Info("this node changes its runtime", "from", from, "to", to)
	return nil
}

// leftWith counts the containers of the node, running or not, that a runtime has.
func leftWith(ctx context.Context, cfg Config, runtime string) (int, error) {
	if runtime == Native {
		folders, err := filepath.Glob(filepath.Join(cfg.Dir, "native", "containers", "*"))
		n := 0
		for _, f := range folders {
			if !strings.HasPrefix(filepath.Base(f), ".") { // half made, or half gone
				n++
			}
		}
		return n, err
	}
	rt, err := docker.New(docker.Config{Host: cfg.DockerHost, Cluster: cfg.Cluster, Node: cfg.Node, Log: cfg.Log})
	if err != nil {
		return 0, err
	}
	defer rt.Close()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	all, err := rt.List(ctx)
	return len(all), err
}
