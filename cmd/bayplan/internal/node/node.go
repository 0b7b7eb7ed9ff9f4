// Package node puts the parts of `bayplan agent` together: a runtime, the agent
// and its link to the server.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/engine"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/telemetry"
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire"
	"github.com/bayplan/bayplan/schema"
)

// Config is what `bayplan agent` was told; Dir and Name are required.
type Config struct {
	Name, Dir string
	// Join is a join line; needed until the node has joined.
	Join string
	// Server is "host:port" where it moved since; empty is as joined.
	Server string
	// Address is where others reach the node's ports, empty for the one that
	// leads to the server; Publish the one that ports are bound on.
	Address, Publish string
	// Runtime is what runs containers, as package engine names it; DockerHost is
	// the Engine's address.
	Runtime, DockerHost string
	// Images are the built-in runtime's.
	Images engine.Images
	// HostPaths are what archives without an image see of the machine.
	HostPaths  []string
	Attributes map[string]string
	// HostVolumes are the folders that workloads may name.
	HostVolumes agent.HostVolumes
	// Ports is "FIRST-LAST", the range for dynamic ports.
	Ports string
	// ReserveCPU and ReserveMemory are kept for the machine; empty is the
	// agent's own choice.
	ReserveCPU, ReserveMemory string
	MetricsListen             string
	// PolicyFile is what the machine refuses to run, see schema.ReadMachinePolicy;
	// empty is nothing.
	PolicyFile string
	Version    string
	Log        *slog.Logger
}

// Run joins if need be, then runs the node until ctx ends. Containers go on
// without it.
func Run(ctx context.Context, cfg Config) (err error) {
	policy, err := ReadPolicy(cfg.PolicyFile)
	if err != nil {
		return err
	}
	creds, err := join(ctx, &cfg)
	if err != nil {
		return err
	}
	registry := telemetry.NewRegistry()
	rt, err := openRuntime(ctx, &cfg, creds, registry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	a, err := build(&cfg, creds, policy, rt.Runtime, registry)
	if err != nil {
		return err
	}
	url, err := telemetry.ServeMetrics(ctx, cfg.MetricsListen, registry)
	if err != nil {
		return err
	}
	client, err := wire.Dial(wire.ClientConfig{Dir: cfg.Dir, Server: cfg.Server, Version: cfg.Version, Log: cfg.Log})
	if err != nil {
		return err
	}
	cfg.Log.Info("node", "node", creds.Name, "cluster", creds.Cluster, "server", creds.Server, "metrics", url)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { trimLater(ctx) })
	defer wg.Wait()
	defer cancel()
	if err := a.Run(ctx, client); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// join makes sure of the node's credentials.
func join(ctx context.Context, cfg *Config) (wire.Credentials, error) {
	if cfg.Name == "" {
		return wire.Credentials{}, errors.New("this machine has no host name; name the node with --node")
	}
	if cfg.Join == "" {
		return wire.LoadCredentials(cfg.Dir)
	}
	info, err := wire.ParseJoin(cfg.Join)
	if err != nil {
		return wire.Credentials{}, err
	}
	err = wire.Join(ctx, info, cfg.Dir, cfg.Name)
	if errors.Is(err, wire.ErrUnreachable) {
		return wire.Credentials{}, &exit.Error{Code: exit.Unreachable, Err: err, Next: "start the server, or open the way to it, and run the same line again: its token is not used up"}
	}
	if err != nil {
		return wire.Credentials{}, err
	}
	return wire.LoadCredentials(cfg.Dir)
}

func build(cfg *Config, creds wire.Credentials, policy *schema.MachinePolicy, rt agent.Runtime, metrics prometheus.Registerer) (*agent.Agent, error) {
	if cfg.Address == "" {
		cfg.Address = addressTowards(creds.Server)
	}
	low, high, err := parseRange(cfg.Ports)
	if err != nil {
		return nil, err
	}
	reserve, err := parseReserve(cfg.ReserveCPU, cfg.ReserveMemory)
	if err != nil {
		return nil, err
	}
	return agent.New(agent.Config{Runtime: rt, Dir: cfg.Dir, Node: creds.Name, Address: cfg.Address,
		Attributes: attributes(cfg), Reserve: reserve, PortMin: low, PortMax: high, Policy: policy, Version: cfg.Version, Log: cfg.Log, Metrics: metrics})
}

// attributes are what the operator gave, and the volumes; one whose folder is not
// there stays declared, since slots that run with it would else be moved.
func attributes(cfg *Config) map[string]string {
	all := cfg.HostVolumes.Attributes()
	for _, name := range slices.Sorted(maps.Keys(cfg.HostVolumes)) {
		if err := cfg.HostVolumes[name].Check(name); err != nil {
			cfg.Log.Warn("nothing that wants it can start", "err", err)
		}
	}
	for name, value := range cfg.Attributes {
		if _, declared := all[name]; !declared {
			all[name] = value
		}
	}
	return all
}

// openRuntime opens what runs containers here.
func openRuntime(ctx context.Context, cfg *Config, creds wire.Credentials, metrics prometheus.Registerer) (*engine.Engine, error) {
	return engine.Open(ctx, engine.Config{Runtime: cfg.Runtime, DockerHost: cfg.DockerHost, Dir: cfg.Dir,
		Cluster: creds.Cluster, Node: creds.Name, Publish: cfg.Publish, HostVolumes: cfg.HostVolumes, Images: cfg.Images, HostPaths: cfg.HostPaths, Metrics: metrics, Log: cfg.Log})
}

// addressTowards is this machine's address on the way to the server. Nothing is
// sent to find it out.
func addressTowards(server string) string {
	c, err := net.Dial("udp", server)
	if err != nil {
		return "127.0.0.1"
	}
	defer c.Close()
	host, _, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		return "127.0.0.1"
	}
	return host
}

func parseRange(text string) (low, high int, err error) {
	a, b, ok := strings.Cut(text, "-")
	if ok {
		low, err = strconv.Atoi(a)
	}
	if ok && err == nil {
		high, err = strconv.Atoi(b)
	}
	if !ok || err != nil || low < 1 || high > 65535 || low > high {
		return 0, 0, fmt.Errorf("ports %q: want FIRST-LAST, such as 20000-32000", text)
	}
	return low, high, nil
}

// parseReserve is nil where neither is given.
func parseReserve(cpu, memory string) (*nodes.Capacity, error) {
	if cpu == "" && memory == "" {
		return nil, nil
	}
	var c nodes.Capacity
	var err error
	if cpu != "" {
		if c.CPU, err = schema.ParseCPU(cpu); err != nil {
			return nil, fmt.Errorf("--reserve-cpu: %w", err)
		}
	}
	if memory != "" {
		if c.Memory, err = schema.ParseBytes(memory); err != nil {
			return nil, fmt.Errorf("--reserve-memory: %w", err)
		}
	}
	return &c, nil
}
