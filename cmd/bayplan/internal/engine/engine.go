// Package engine opens what runs the containers of a node: the Docker Engine of
// the machine, or the built-in runtime, which needs nothing but the kernel.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/docker"
)

// The runtimes by the name that --runtime takes.
const (
	Auto   = "auto"
	Docker = "docker"
	Native = "native"
)

// Names is what --runtime may be, for help and errors.
const Names = "auto, docker or native"

// Config is one node's.
type Config struct {
	// Runtime is one of the names above; "" is Auto.
	Runtime string
	// DockerHost is the Engine's address; "" is DOCKER_HOST or the usual socket.
	DockerHost string
	// Dir is the agent's folder.
	Dir string
	// Cluster and Node own the containers.
	Cluster, Node string
	// Publish is the address that ports are published on.
	Publish string
	// HostVolumes are the folders of this machine that workloads may name.
	HostVolumes agent.HostVolumes
	// HostPaths are what archives without an image see of the machine, with the
	// built-in runtime; nil is its own choice.
	HostPaths []string
	// Images is how images are come by; the Docker Engine has settings of its own.
	Images Images
	// Metrics takes the built-in runtime's collectors; nil is none.
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Images are the built-in runtime's settings for images.
type Images struct {
	// AuthFile is a docker config file with the registries' passwords.
	AuthFile string
	// Mirrors are "REGISTRY=MIRROR", asked in their order before the registry.
	Mirrors []string
	// High and Low are percentages of the disk's use: above High the images that
	// were not used for longest go, until Low.
	High, Low int
}

// Engine is an open runtime.
type Engine struct {
	agent.Runtime
	// Name is Docker or Native.
	Name  string
	close func(retire bool) error
}

// Close lets go of the runtime; what runs, runs on.
func (e *Engine) Close() error { return e.close(false) }

// Retire closes the runtime for good: no container is left, and what was set up
// on the machine beside them goes too.
func (e *Engine) Retire() error { return e.close(true) }

// Open opens the runtime that was asked for. A node stays with the runtime that
// it began with: were "auto" to decide anew at each start, an Engine that is
// slow to come up after a reboot would have everything run a second time.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	name, err := settle(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if name == Native {
		return openNative(cfg)
	}
	rt, err := docker.New(docker.Config{Host: cfg.DockerHost, Cluster: cfg.Cluster, Node: cfg.Node, PublishIP: cfg.Publish, HostVolumes: cfg.HostVolumes, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	return &Engine{Runtime: rt, Name: Docker, close: func(bool) error { return rt.Close() }}, nil
}

// settle is the runtime to use, and remembers it in the node's folder.
func settle(ctx context.Context, cfg Config) (string, error) {
	if err := CheckName(cfg.Runtime); err != nil {
		return "", err
	}
	had, err := Settled(cfg.Dir)
	if err != nil {
		return "", err
	}
	name := cfg.Runtime
	if (name == Auto || name == "") && (had == Docker || had == Native) {
		return had, nil
	}
	name = Choose(ctx, name, cfg.DockerHost)
	if name == had {
		return name, nil
	}
	if had == Docker || had == Native {
		if err := change(ctx, cfg, had, name); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return "", err
	}
	return name, os.WriteFile(filepath.Join(cfg.Dir, settledFile), []byte(name+"\n"), 0o600)
}

// settledFile holds the name of a node's runtime, in its folder.
const settledFile = "runtime"

// Settled is the runtime that a node began with, by its folder; "" if it has not
// begun.
func Settled(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, settledFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// CheckName refuses what --runtime may not be.
func CheckName(name string) error {
	switch name {
	case "", Auto, Docker, Native:
		return nil
	}
	return fmt.Errorf("no runtime %q; want %s", name, Names)
}

// answerWithin is how long an Engine may take to say that it is there.
const answerWithin = 3 * time.Second

// Choose makes a runtime of Auto: Docker where an Engine answers, and else the
// built-in one.
func Choose(ctx context.Context, name, dockerHost string) string {
	if name != Auto && name != "" {
		return name
	}
	rt, err := docker.New(docker.Config{Host: dockerHost, Cluster: "none", Node: "none", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return Native
	}
	defer rt.Close()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if _, err := rt.Info(ctx); err != nil {
		return Native
	}
	return Docker
}

// Describe names a runtime in a few words, or says why this machine cannot have
// it.
func Describe(ctx context.Context, name string) (string, error) {
	if name == Native {
		return describeNative()
	}
	rt, err := docker.New(docker.Config{Cluster: "none", Node: "none", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	defer rt.Close()
	info, err := rt.Info(ctx)
	return info.Name + " " + info.Version, err
}
