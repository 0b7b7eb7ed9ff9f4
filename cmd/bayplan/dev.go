package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/dev"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/engine"
	"github.com/bayplan/bayplan/examples"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

const devLong = `Runs a whole cluster on this machine: a server, some agents, a Git repository
with a sample, and a registry on loopback with the sample's images. It needs git,
and a Docker Engine or root on Linux; it needs no network.

In the folder stand repo.git (clone it, push to main), env (source it for the
other verbs), log/ and pid/. A child that dies is started again: kill one and
watch. Ctrl-C stops everything and removes the containers; a second one hurries.`

func newDevCommand() *cobra.Command {
	var c dev.Config
	cmd := &cobra.Command{
		Use:     "dev",
		Short:   "Run a whole cluster on this machine, with a sample to play with",
		Long:    devLong,
		Example: "  bayplan dev\n  bayplan dev --dir /var/tmp/hello --nodes 5",
		Args:    takes(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDev(cmd, c) },
	}
	f := cmd.Flags()
	f.StringVar(&c.Dir, "dir", "", "folder that holds the cluster and stays, to be used again (default: a temporary one)")
	f.IntVar(&c.Nodes, "nodes", 3, "how many agents run")
	f.StringVar(&c.Runtime, "runtime", "auto", "what runs containers: "+engine.Names+" (the built-in runtime)")
	(*granting)(&c.Allow).addFlag(f)
	f.StringVar(&c.Listen, "listen", "127.0.0.1:0", "the server's address; port 0 is a free one, kept in --dir")
	return cmd
}

func runDev(cmd *cobra.Command, c dev.Config) (err error) {
	if c.Runtime, err = devRuntime(cmd.Context(), c); err != nil {
		return err
	}
	if c.Executable, err = devExecutable(); err != nil {
		return err
	}
	ctx, stop := whileWatched(cmd.Context())
	defer stop()
	hurry, done := secondSignal()
	defer done()
	c.Sample, c.Hurry = examples.Hello(), hurry
	c.Watch = devWatch
	c.Engine = func(ctx context.Context) (string, error) { return devEngine(ctx, c.Runtime) }
	c.Clean = func(ctx context.Context, cluster string, nodes []dev.Node, volumes bool) error {
		return devClean(ctx, c.Runtime, cluster, nodes, volumes)
	}
	c.Out, c.Talk = cmd.OutOrStdout(), cmd.ErrOrStderr()
	return dev.Run(ctx, c)
}

// devRuntime is the runtime of a whole cluster: that which its first node began
// with, as each node keeps to its own.
func devRuntime(ctx context.Context, c dev.Config) (string, error) {
	if c.Runtime != engine.Auto {
		return c.Runtime, nil
	}
	if c.Dir != "" {
		if had, err := engine.Settled(dev.FirstNode(c.Dir)); had != "" || err != nil {
			return had, err
		}
	}
	return engine.Choose(ctx, engine.Auto, ""), nil
}

// devExecutable is this program, by the path that it would be found with.
func devExecutable() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// whileWatched ends with the terminal too. A reader that goes away, such as
// head, makes writing fail, and does not kill the process before it has cleaned
// up.
func whileWatched(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// sameWish is how long signals mean what the first one meant: a terminal, make
// and a script in between may each pass on one and the same Ctrl-C.
const sameWish = time.Second

// secondSignal is closed once a signal repeats the first, which ends the
// command's context.
func secondSignal() (<-chan struct{}, func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	second, over := make(chan struct{}), make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case <-over:
				return
			case <-signals:
			}
			if first.IsZero() {
				first = time.Now()
			} else if time.Since(first) > sameWish {
				close(second)
				return
			}
		}
	}()
	return second, func() { signal.Stop(signals); close(over) }
}

// errSeen ends the watch once it has shown what it was for.
var errSeen = errors.New("seen")

// devWatch shows each status of the server to done until that says so.
func devWatch(ctx context.Context, s dev.Server, done func(*status.Status) bool) error {
	c, err := client.Config{Server: s.URL, CA: s.CA, Cert: s.Cert, Key: s.Key}.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	err = client.Watcher{
		Open: func(ctx context.Context) (*connect.ServerStreamForClient[controlpb.Document], error) {
			return c.WatchStatus(ctx, connect.NewRequest(&controlpb.StatusRequest{}))
		},
		Each: func(raw []byte) error {
			st, err := document[status.Status](raw)
			if err == nil && done(st) {
				err = errSeen
			}
			return err
		},
		Notice: func(string) {}, // dev tells of its server's deaths itself
	}.Run(ctx)
	if errors.Is(err, errSeen) {
		return nil
	}
	return err
}
