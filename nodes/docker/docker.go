package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/moby/moby/client"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// Config says which Engine, and whose containers.
type Config struct {
	// Host is the Engine's address ("unix:///run/docker.sock"); empty is
	// DOCKER_HOST with its companions, or the usual socket.
	Host string
	// Cluster and Node own the containers. Both are required.
	Cluster, Node string
	// PublishIP is the address of this machine that ports are published on;
	// empty is every one.
	PublishIP string
	// HostVolumes are the folders of this machine that workloads may name.
	HostVolumes agent.HostVolumes
	// Keychain has the registries' passwords; nil is Docker's own config file
	// (~/.docker/config.json) with its credential helpers.
	Keychain authn.Keychain
	// Patience is how long a call may wait before the Engine is asked whether
	// it lives, and how long it has to say so; zero is 4 s.
	Patience time.Duration
	// Log is where trouble is told that is no call's error; nil is slog's default.
	Log *slog.Logger
}

// Runtime is one node's view of a Docker Engine.
type Runtime struct {
	cfg     Config
	api     *client.Client
	publish netip.Addr
	seen    *inventory
}

var _ agent.Runtime = (*Runtime)(nil)

// usualPatience lets a List on an Engine that hangs end, with its reason, before
// the agent's own time for a List (10 s) is over.
const usualPatience = 4 * time.Second

// New opens no connection: an Engine that is down shows in the calls, and may
// come up later.
func New(cfg Config) (*Runtime, error) {
	if cfg.Cluster == "" || cfg.Node == "" {
		return nil, errors.New("docker: Config wants a Cluster and a Node")
	}
	if cfg.PublishIP == "" {
		cfg.PublishIP = "0.0.0.0"
	}
	publish, err := netip.ParseAddr(cfg.PublishIP)
	if err != nil {
		return nil, fmt.Errorf("address to publish ports on: %w", err)
	}
	if cfg.Keychain == nil {
		cfg.Keychain = authn.DefaultKeychain
	}
	if cfg.Patience == 0 {
		cfg.Patience = usualPatience
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	api, err := open(cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	return &Runtime{cfg: cfg, api: api, publish: publish, seen: newInventory()}, nil
}

// open makes a client that leaves tracing to the agent.
func open(host string) (*client.Client, error) {
	opts := []client.Opt{client.FromEnv, client.WithTraceProvider(noop.NewTracerProvider())}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	return client.New(opts...)
}

// Close lets go of the connections; what runs, runs on.
func (r *Runtime) Close() error { return r.api.Close() }

// Info describes the Engine, and negotiates the API's version anew: it is what
// the agent asks after the Engine was away, and it may be another one now.
func (r *Runtime) Info(ctx context.Context) (info agent.Info, err error) {
	err = r.attended(ctx, func(ctx context.Context) error {
		info, err = r.info(ctx)
		return err
	})
	return info, r.explain("asking the engine", err)
}

func (r *Runtime) info(ctx context.Context) (agent.Info, error) {
	if _, err := r.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true, ForceNegotiate: true}); err != nil {
		return agent.Info{}, err
	}
	v, err := r.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return agent.Info{}, err
	}
	i, err := r.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return agent.Info{}, err
	}
	if v.Os != "linux" {
		return agent.Info{}, fmt.Errorf("the engine runs %s containers; only linux ones are known here", v.Os)
	}
	return agent.Info{
		Name: "docker", Version: v.Version, OS: v.Os, Arch: v.Arch,
		Capacity: nodes.Capacity{CPU: schema.CPU(i.Info.NCPU) * 1000, Memory: schema.Bytes(i.Info.MemTotal)},
	}, nil
}
